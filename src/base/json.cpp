// The one place where Boost.JSON itself is compiled; every other file sees declarations only.
#include <boost/json/src.hpp>
