# What `cmake --install` puts where: the one list of files that the Debian package, the image and an installation by hand share.
#
# Components: `sendmail` (the static program under its four names), `program` (posthorn itself), `manual` (man pages, documentation,
# examples), `system` (what systemd reads). Without --component all of them. Directories with state, and the user, are not files of a
# build: packaging/debian/posthorn.postinst and the Dockerfile make them; docs/operations.md has their owners and modes.
include(GNUInstallDirs)

if(TARGET sendmail)
    install(TARGETS sendmail RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT sendmail)
    # Relative, so that they hold in an image, under DESTDIR and in /usr/local alike. Debian Policy 11.6 wants /usr/sbin/sendmail and
    # newaliases; programs of old call /usr/lib/sendmail.
    foreach(link "lib/sendmail" "${CMAKE_INSTALL_BINDIR}/mailq" "${CMAKE_INSTALL_BINDIR}/newaliases" "${CMAKE_INSTALL_SBINDIR}/newaliases")
        install(CODE "
            set(link \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${link}\")
            get_filename_component(directory \"\${link}\" DIRECTORY)
            file(MAKE_DIRECTORY \"\${directory}\")
            file(CREATE_LINK ../${CMAKE_INSTALL_SBINDIR}/sendmail \"\${link}\" SYMBOLIC)
            message(STATUS \"Installing: \${link}\")" COMPONENT sendmail)
    endforeach()
endif()

if(TARGET posthorn)
    install(TARGETS posthorn RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT program)
    install(FILES README.md CHANGELOG.md SECURITY.md TYPE DOC COMPONENT manual)
    install(DIRECTORY docs/ TYPE DOC COMPONENT manual FILES_MATCHING PATTERN "*.md" PATTERN "screenshots" EXCLUDE)
    install(DIRECTORY etc/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT manual PATTERN "examples" EXCLUDE)
    install(DIRECTORY etc/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT manual)
    foreach(section 1 8)
        install(DIRECTORY packaging/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT manual FILES_MATCHING PATTERN "*.${section}")
    endforeach()
    # What the program says of its commands and settings becomes their pages; a program for another architecture cannot be asked.
    if(NOT CMAKE_CROSSCOMPILING)
        foreach(page posthorn.8 posthorn.toml.5)
            string(REGEX MATCH "[1-9]$" section ${page})
            install(CODE "
                set(page \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man${section}/${page}\")
                get_filename_component(directory \"\${page}\" DIRECTORY)
                file(MAKE_DIRECTORY \"\${directory}\")
                execute_process(COMMAND $<TARGET_FILE:posthorn> manual ${page} OUTPUT_FILE \"\${page}\" COMMAND_ERROR_IS_FATAL ANY)
                message(STATUS \"Installing: \${page}\")" COMPONENT manual)
        endforeach()
    endif()
    install(DIRECTORY packaging/systemd/ DESTINATION lib/systemd/system COMPONENT system)
endif()
