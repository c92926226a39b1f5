# Toolchain for arm64 by Debian's cross compiler (g++-aarch64-linux-gnu); the sendmail program needs no libraries, posthorn those of arm64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
