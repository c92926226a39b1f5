# shellcheck shell=bash
# Shared by tools/run and tools/test: where we are, messages, packages, builds. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi

say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s    %s%s\n' "$dim" "$*" "$plain"; }
die() {
    printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
    exit 1
}

# Jobs: two, or fewer where memory is small (a compiler of Asio code takes about 1 GiB).
jobs() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/MemAvailable/ { print int($2 / 1200000) }' /proc/meminfo)
    [ "$memory" -lt 1 ] && memory=1
    echo $((cores < memory ? cores : memory))
}

# Installs the packages of tools/packages.txt that are missing. No daemon is started: an installation of postfix or opendkim
# asks /usr/sbin/policy-rc.d, and for that time it says no.
install_packages() {
    local missing=() package as_root=() policy=/usr/sbin/policy-rc.d
    command -v dpkg-query >/dev/null || die "this is not Debian; install what tools/packages.txt lists by hand, then use cmake --preset dev"
    while read -r package; do
        case "$package" in '' | '#'*) continue ;; esac
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
    done <"$root/tools/packages.txt"
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing ${#missing[@]} packages"
    note "${missing[*]}"
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
        # shellcheck disable=SC2064
        trap "${as_root[*]} rm -f $policy" EXIT
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    if [ "$(trap -p EXIT)" ]; then
        "${as_root[@]}" rm -f "$policy"
        trap - EXIT
    fi
}

# build PRESET [TARGET...]
build() {
    local preset=$1
    shift
    say "Building (preset $preset)"
    (cd "$root" && cmake --preset "$preset" >"$(log_file "$preset")" 2>&1) ||
        { cat "$(log_file "$preset")" >&2 && die "cmake failed"; }
    cmake --build "$root/build/$preset" -j "$(jobs)" ${1:+--target "$@"}
}

log_file() {
    mkdir -p "$root/build/$1"
    echo "$root/build/$1/configure.log"
}
