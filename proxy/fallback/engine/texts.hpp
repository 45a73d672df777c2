#pragma once

#include <string_view>

namespace weir::engine::texts {

/// Every text of the engine; errors are Redis' own, of 7.0.15. What is common to all of weir stands in protocol/errors.hpp.

inline constexpr std::string_view wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view no_such_key = "ERR no such key";
inline constexpr std::string_view same_object = "ERR source and destination objects are the same";
inline constexpr std::string_view index_out_of_range = "ERR index out of range";
inline constexpr std::string_view not_a_float = "ERR value is not a valid float";
inline constexpr std::string_view out_of_range = "ERR value is out of range";
inline constexpr std::string_view must_be_positive = "ERR value is out of range, must be positive";
inline constexpr std::string_view offset_out_of_range = "ERR offset is out of range";
inline constexpr std::string_view string_too_long =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr std::string_view would_overflow = "ERR increment or decrement would overflow";
inline constexpr std::string_view decrement_would_overflow = "ERR decrement would overflow";
inline constexpr std::string_view would_be_no_number = "ERR increment would produce NaN or Infinity";
inline constexpr std::string_view no_number = "ERR value is NaN or Infinity";
inline constexpr std::string_view hash_value_no_integer = "ERR hash value is not an integer";
inline constexpr std::string_view hash_value_no_float = "ERR hash value is not a float";
inline constexpr std::string_view nx_with_others =
    "ERR NX and XX, GT or LT options at the same time are not compatible";
inline constexpr std::string_view gt_with_lt = "ERR GT and LT options at the same time are not compatible";
inline constexpr std::string_view invalid_cursor = "ERR invalid cursor";

inline constexpr std::string_view rank_is_zero =
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from "
    "the end of the list";
inline constexpr std::string_view count_negative = "ERR COUNT can't be negative";
inline constexpr std::string_view max_length_negative = "ERR MAXLEN can't be negative";
inline constexpr std::string_view key_count_not_positive = "ERR numkeys should be greater than 0";
inline constexpr std::string_view count_not_positive = "ERR count should be greater than 0";
inline constexpr std::string_view more_keys_than_arguments = "ERR Number of keys can't be greater than number of args";
inline constexpr std::string_view limit_negative = "ERR LIMIT can't be negative";

inline constexpr std::string_view xx_with_nx = "ERR XX and NX options at the same time are not compatible";
inline constexpr std::string_view gt_lt_nx = "ERR GT, LT, and/or NX options at the same time are not compatible";
inline constexpr std::string_view one_increment = "ERR INCR option supports a single increment-element pair";
inline constexpr std::string_view score_no_number = "ERR resulting score is not a number (NaN)";
inline constexpr std::string_view range_no_float = "ERR min or max is not a float";
inline constexpr std::string_view range_no_string = "ERR min or max not valid string range item";
inline constexpr std::string_view limit_with_rank =
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
inline constexpr std::string_view scores_with_names =
    "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
inline constexpr std::string_view weight_no_float = "ERR weight value is not a float";

inline constexpr std::string_view sort_no_numbers = "ERR One or more scores can't be converted into double";

inline constexpr std::string_view lcs_both = "ERR If you want both the length and indexes, please just use IDX.";
inline constexpr std::string_view lcs_types = "ERR The specified keys must contain string values";
inline constexpr std::string_view lcs_too_long = "ERR String too long for LCS";
inline constexpr std::string_view lcs_too_large =
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";

/// Redis would write on until its memory is used up.
inline constexpr std::string_view reply_too_long = "ERR weir: so many random elements at once are not given";

// What call::cannot() says.

inline constexpr std::string_view expiry_unknown = "the key's expiry is not known";
inline constexpr std::string_view takes_too_long = "it would take too long";
inline constexpr std::string_view result_too_large = "its result is too large";

}  // namespace weir::engine::texts
