// What nearly every unit test includes, precompiled where all of them are built at once (tests/CMakeLists.txt); the tests name it nowhere.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
