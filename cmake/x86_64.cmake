# Toolchain for amd64 by Debian's cross compiler (g++-x86-64-linux-gnu); the sendmail program needs no libraries, posthorn those of amd64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER x86_64-linux-gnu-g++)
