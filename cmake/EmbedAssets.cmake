# cmake -DFOLDER= -DOUTPUT= -P: the folder's files (text) as string literals, each with its SHA-256, in one C++ source; for src/admin/assets.hpp.
file(GLOB files ${FOLDER}/*)
list(SORT files)
set(rows "")
set(sums "")
foreach(path ${files})
    get_filename_component(name ${path} NAME)
    file(READ ${path} text)
    file(SHA256 ${path} sum)
    string(APPEND sums "${name} ${sum}\n")
    string(SUBSTRING ${sum} 0 16 short)
    string(FIND "${text}" ")embedded\"" clash)
    if(NOT clash EQUAL -1)
        message(FATAL_ERROR "${path} has the end mark of its literal in it")
    endif()
    string(APPEND rows "    {\"${name}\", \"${short}\",\n     R\"embedded(${text})embedded\"},\n")
endforeach()
string(SHA256 version "${sums}")
string(SUBSTRING ${version} 0 16 version)
file(WRITE ${OUTPUT}.new "// Made by cmake/EmbedAssets.cmake of src/admin/assets.
#include \"admin/assets.hpp\"

namespace posthorn::admin {
namespace {

constexpr Asset kAssets[] = {
${rows}};

}  // namespace

std::span<const Asset> assets() { return kAssets; }
std::string_view assets_version() { return \"${version}\"; }

}  // namespace posthorn::admin
")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
file(TOUCH_NOCREATE ${OUTPUT})
