// A one-shot callable that owns move-only state: what std::function cannot hold and C++23 would call move_only_function.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace posthorn {

template <class Signature>
class UniqueFunction;

// REQUIRES: called at most once, and not when empty.
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
public:
    UniqueFunction() = default;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> && std::is_invocable_r_v<R, F&, Args...>)
    UniqueFunction(F&& callable)  // NOLINT(google-explicit-constructor): a callable is its own description
        : target_(std::make_unique<Holder<std::remove_cvref_t<F>>>(std::forward<F>(callable))) {}

    explicit operator bool() const { return target_ != nullptr; }

    R operator()(Args... args) {
        auto target = std::move(target_);
        return target->call(std::forward<Args>(args)...);
    }

private:
    struct Callable {
        virtual ~Callable() = default;
        virtual R call(Args... args) = 0;
    };
    template <class F>
    struct Holder final : Callable {
        explicit Holder(F callable) : callable_(std::move(callable)) {}
        R call(Args... args) override { return callable_(std::forward<Args>(args)...); }
        F callable_;
    };

    std::unique_ptr<Callable> target_;
};

}  // namespace posthorn
