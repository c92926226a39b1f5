// `posthorn backup` and `posthorn restore`.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "app/backup.hpp"
#include "app/command_line.hpp"
#include "app/config_file.hpp"
#include "app/queue_view.hpp"
#include "app/restore.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

std::string count_of_things(std::uint64_t count, std::string_view what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

struct BackupCommand {
    BackupOrder order;
    bool without_config = false;
};

int back_up(const BackupCommand& command) {
    BackupOrder order = command.order;
    auto config = load_config(order.config_path);
    if (!config) return exit_code::kConfig;
    order.config = std::move(*config);
    order.with_config = !command.without_config;
    const auto made = make_backup(order);
    if (!made) {
        complain(made.error().what);
        return exit_code::kIoError;
    }
    std::string told = fmt::format("{}: {} for {}, {}, {}\n", order.file == "-" ? "backup" : order.file, count_of_things(made->messages, "waiting message"),
                                   count_of_things(made->recipients, "recipient"), count_of_things(made->keys, "key file"), short_size(made->octets));
    if (made->left_meanwhile > 0)
        told += fmt::format("{} left the queue while it was made and {} not in it.\n", count_of_things(made->left_meanwhile, "recipient"),
                            made->left_meanwhile == 1 ? "is" : "are");
    for (const std::string& missing : made->missing) told += fmt::format("not in it: {}\n", text::safe_for_log(missing, 1000));
    if (order.with_config) told += "It holds keys and secrets: keep it as you keep those.\n";
    if (order.file == "-") std::fputs(told.c_str(), stderr);
    else print(told);
    return exit_code::kOk;
}

std::string restored_text(const Restored& done, const RestoreOrder& order) {
    std::string told = fmt::format("The backup of {} from {} (Posthorn {}) is whole: {}.\n", text::safe_for_log(done.hostname, 300),
                                   text::safe_for_log(done.made_at, 40), text::safe_for_log(done.version, 40), short_size(done.octets));
    if (order.verify_only) return told;
    told += fmt::format("{} for {} in {}, {} beside it.\n", count_of_things(done.messages, "message"), count_of_things(done.recipients, "recipient"), done.queue_directory,
                        count_of_things(done.files, "file"));
    for (const std::string& id : done.without_body) told += fmt::format("the body of {} was missing already when the backup was made\n", id);
    for (const std::string& path : done.left_out) told += fmt::format("left out: {}\n", text::safe_for_log(path, 1000));
    if (done.recipients == 0) return told;
    if (order.hold) {
        told += fmt::format("{} held. `posthorn queue list` shows the mail; `posthorn queue release ID` lets it go, `posthorn queue delete ID` drops it.\n",
                            done.held == 1 ? "It is" : "All are");
    } else {
        told += "What was delivered after the backup was made is sent once more when Posthorn starts; --hold would have held it.\n";
    }
    if (done.expired > 0)
        told += fmt::format("{} waited longer than queue.lifetime by now: given up at the start, and the senders told.\n",
                            count_of_things(done.expired, "recipient"));
    return told;
}

int put_back(const RestoreOrder& order) {
    const auto done = restore(order, wall_now());
    if (!done) {
        complain(done.error().what);
        return exit_code::kDataError;
    }
    print(restored_text(*done, order));
    return exit_code::kOk;
}

}  // namespace

void add_backup_commands(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("backup", "Save queue, keys and configuration in one file, while Posthorn runs");
    auto backup = std::make_shared<BackupCommand>();
    add_config_option(*command, backup->order.config_path);
    command->add_option("FILE", backup->order.file, "The file to make (a tar archive, mode 0600); - is standard output")->required();
    command->add_flag("--without-config", backup->without_config, "Leave out the configuration, and the users, secrets and certificates it names");
    command->add_flag("--replace", backup->order.replace, "Replace a file that is there already, when the new one is whole");
    command->add_option("--work-directory", backup->order.work_directory, "Where the copy of the queue grows meanwhile; as much space as the queue takes")
        ->type_name("DIR");
    command->footer("Nothing is there until all of it is. Compressed and elsewhere:\n  posthorn backup - | zstd | ssh backup@host 'cat > posthorn.tar.zst'");
    command->callback([backup, &action] { action = [backup] { return back_up(*backup); }; });

    command = app.add_subcommand("restore", "Put a backup in place, where there is no queue yet and Posthorn does not run");
    auto order = std::make_shared<RestoreOrder>();
    add_config_option(*command, order->config_path);
    command->add_option("FILE", order->file, "What `posthorn backup` made; - is standard input")->required();
    command->add_flag("--with-config", order->with_config, "Put the configuration in place as well, and the users, secrets and certificates it names");
    command->add_flag("--hold", order->hold, "Hold all mail until it is released");
    command->add_flag("--replace", order->replace, "Replace keys and files that are there already and differ");
    command->add_flag("--verify", order->verify_only, "Only read it and say whether it is whole; changes nothing");
    command->callback([order, &action] { action = [order] { return put_back(*order); }; });
}

}  // namespace posthorn::app
