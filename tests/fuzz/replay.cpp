// Stands in for libFuzzer: runs a fuzz target over the files and folders named, and over cut and damaged
// copies of each.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void replay(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string input{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    run(input);
    std::mt19937 random(static_cast<unsigned>(input.size()));
    for (int round = 0; round < 200 && !input.empty(); ++round) {
        std::string damaged = input.substr(0, 1 + random() % input.size());
        for (unsigned i = random() % 4; i > 0; --i)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        run(damaged);
    }
}

}  // namespace

int main(int argc, char** argv) {
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) {
            replay(argv[i]);
            ++files;
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) continue;
            replay(entry.path());
            ++files;
        }
    }
    std::printf("%d inputs\n", files);
    return files > 0 ? 0 : 1;  // an empty corpus is a mistake in the set-up
}
