// The result of a function that can fail for a reason an operator should read.
#pragma once

#include <boost/system/result.hpp>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace posthorn {

// What went wrong and, where it can be said, what to do next. Never shown to strangers on the wire.
//
// Made with braces: Error{"..."}. By the initializer list no string converts to an Error, not even explicitly; else
// boost::system::result<std::string, Error> would take a returned string for neither value nor error.
struct Error {
    std::string what;

    Error() = default;
    Error(std::initializer_list<std::string_view> text) {
        for (const std::string_view piece : text) what += piece;
    }
};

// Found by argument-dependent look-up when value() is called on a failed result: a broken invariant of ours.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw std::runtime_error(error.what);
}

template <class T>
using Result = boost::system::result<T, Error>;

}  // namespace posthorn
