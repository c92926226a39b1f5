// A store's error that nobody looked at.
#include "queue/store.hpp"

#include <stdexcept>

namespace posthorn::queue {

void throw_exception_from_error(const StoreError& error, const boost::source_location&) {
    throw std::runtime_error(error.what);
}

}  // namespace posthorn::queue
