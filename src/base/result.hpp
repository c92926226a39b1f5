// The result of a function that can fail for a reason an operator should read.
#pragma once

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>

namespace posthorn {

// What went wrong and, where it can be said, what to do next. Never shown to strangers on the wire.
struct Error {
    std::string what;
};

// Found by argument-dependent look-up when value() is called on a failed result: a broken invariant of ours.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw std::runtime_error(error.what);
}

template <class T>
using Result = boost::system::result<T, Error>;

}  // namespace posthorn
