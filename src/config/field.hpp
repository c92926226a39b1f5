// How the tables of settings name a field of the options. Included by schema*.cpp only, as it is a macro.
#pragma once

// The field of an owner, const or not: what a binding needs to read and to set it.
#define FIELD(member)          \
    [](auto& owner) -> auto& { \
        return owner.member;   \
    }
