// The exit codes of Posthorn's programs: those of BSD's <sysexits.h>, which scripts and mail user agents
// know.
#pragma once

namespace posthorn::exit_code {

inline constexpr int kOk = 0;
inline constexpr int kFailure = 1;       // a check that found something, `healthcheck` that is not healthy
inline constexpr int kUsage = 64;        // the command line is wrong
inline constexpr int kDataError = 65;    // the input (a message, an address) is wrong
inline constexpr int kNoInput = 66;      // a file to be read is missing or unreadable
inline constexpr int kNoUser = 67;       // no such user
inline constexpr int kNoHost = 68;       // no such host or domain
inline constexpr int kUnavailable = 69;  // the daemon does not answer
inline constexpr int kSoftware = 70;     // a broken invariant of ours
inline constexpr int kOsError = 71;      // a system call failed that should not
inline constexpr int kOsFile = 72;
inline constexpr int kCannotCreate = 73;  // an output file cannot be made
inline constexpr int kIoError = 74;       // reading or writing failed
inline constexpr int kTempFail = 75;      // try again later: nothing was lost, nothing was accepted
inline constexpr int kProtocol = 76;      // the other side does not speak as it must
inline constexpr int kNoPermission = 77;
inline constexpr int kConfig = 78;  // the configuration is wrong

}  // namespace posthorn::exit_code
