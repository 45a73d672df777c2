// Also loaded into redis-server. SORT takes a number for none when errno says ERANGE (sort.c), but nothing there sets
// errno back before: whether it fails depends on whatever the server did earlier. Here errno is clean each time.

#include <dlfcn.h>

#include <cerrno>

extern "C" double strtod(const char* text, char** end) noexcept {
    using function = double (*)(const char*, char**);
    static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "strtod"));
    errno = 0;
    return real(text, end);
}
