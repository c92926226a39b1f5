// What nearly every file of the layers without Asio includes, precompiled for the sanitizers (cmake/Posthorn.cmake).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/system/result.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
