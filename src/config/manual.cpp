// Markdown, line by line, to the requests of man(7).
#include "config/manual.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "config/reference.hpp"

namespace posthorn::config {
namespace {

// A line of input that begins with one of these would be a request.
void guard_line_start(std::string& out, char first) {
    if ((first == '.' || first == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
}

void add_letter(std::string& out, char letter) {
    guard_line_start(out, letter);
    switch (letter) {
        case '\\': out += "\\e"; break;
        case '-': out += "\\-"; break;    // what is typed; a hyphen would be another character when it is copied
        case '\'': out += "\\(aq"; break;
        case '`': out += "\\(ga"; break;
        case '~': out += "\\(ti"; break;
        case '^': out += "\\(ha"; break;
        default: out += letter;
    }
}

std::string literally(std::string_view text) {
    std::string out;
    for (const char letter : text) add_letter(out, letter);
    return out;
}

std::string without_code_marks(std::string_view text) {
    std::string out(text);
    std::erase(out, '`');
    return out;
}

class Page {
public:
    void line(std::string_view text) {
        if (text.starts_with("```")) return fence();
        if (in_code_) return code(text);
        if (in_comment_ || text.starts_with("<!--")) {
            in_comment_ = text.find("-->") == std::string_view::npos;
            return;
        }
        if (text.starts_with("# ")) return end_paragraph();   // the page has its own title
        if (text.starts_with("## ")) return section(text.substr(3));
        if (text.starts_with("### ")) return subject(text.substr(4));
        if (text.starts_with("- ")) return item(text.substr(2));
        if (text.starts_with("|")) return row(text);
        if (text.empty()) return end_paragraph();
        while (text.starts_with(" ")) text.remove_prefix(1);
        if (!paragraph_.empty()) paragraph_ += ' ';
        else if (!subject_) out_ += ".PP\n";
        subject_ = false;
        paragraph_ += text;
    }

    std::string take() {
        end_paragraph();
        return std::move(out_);
    }

private:
    void end_paragraph() {
        if (!paragraph_.empty()) out_ += in_roff(paragraph_) + "\n";
        paragraph_.clear();
        in_table_ = false;
    }
    void fence() {
        end_paragraph();
        out_ += in_code_ ? ".EE\n.RE\n" : ".PP\n.RS 4\n.EX\n";
        in_code_ = !in_code_;
    }
    void code(std::string_view text) { out_ += literally(text) + "\n"; }
    void section(std::string_view title) {
        end_paragraph();
        std::string capitals = without_code_marks(title);
        std::transform(capitals.begin(), capitals.end(), capitals.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        // A table keeps its name as it is typed.
        out_ += ".SH " + literally(title.starts_with('`') ? without_code_marks(title) : capitals) + "\n";
        subject_ = true;   // the first paragraph follows without a .PP, which man would complain of
    }
    void subject(std::string_view title) {
        end_paragraph();
        out_ += ".TP\n.B " + literally(without_code_marks(title)) + "\n";
        subject_ = true;
    }
    void item(std::string_view text) {
        end_paragraph();
        out_ += ".br\n";
        subject_ = false;
        paragraph_ = text;
    }
    void row(std::string_view text) {
        const bool first = !in_table_;
        end_paragraph();
        in_table_ = true;
        if (text.find_first_not_of("|-: ") == std::string_view::npos) return;   // the line below the heads
        std::string cells;
        std::string cell;
        for (std::size_t i = 1; i < text.size(); ++i) {
            if (text[i] == '|' && text[i - 1] != '\\') {
                while (cell.ends_with(' ')) cell.pop_back();
                cell.erase(0, cell.find_first_not_of(' '));
                if (!cell.empty()) cells += (cells.empty() ? "" : "; ") + cell;
                cell.clear();
            } else if (text[i] != '\\' || i + 1 == text.size() || text[i + 1] != '|') {
                cell += text[i];
            }
        }
        out_ += (first && !subject_ ? ".PP\n" : ".br\n") + in_roff(cells) + "\n";
        subject_ = false;
    }

    std::string out_;
    std::string paragraph_;
    bool in_code_ = false;
    bool in_comment_ = false;
    bool in_table_ = false;
    bool subject_ = false;   // a heading was just written
};

}  // namespace

std::string in_roff(std::string_view text) {
    std::string out;
    bool strong = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool stars = text.substr(i).starts_with("**");
        if (text[i] == '`' || stars) {
            out += strong ? "\\fR" : "\\fB";
            strong = !strong;
            if (stars) ++i;
        } else {
            add_letter(out, text[i]);
        }
    }
    return strong ? out + "\\fR" : out;
}

std::string markdown_in_roff(std::string_view markdown) {
    Page page;
    while (!markdown.empty()) {
        const std::size_t end = std::min(markdown.find('\n'), markdown.size());
        page.line(markdown.substr(0, end));
        markdown.remove_prefix(std::min(end + 1, markdown.size()));
    }
    return page.take();
}

std::string manual_page() {
    return ".TH POSTHORN.TOML 5 \"\" \"Posthorn " POSTHORN_VERSION "\" \"Configuration\"\n"
           ".nh\n.ad l\n"   // names of settings are not broken
           ".SH NAME\nposthorn.toml \\- configuration of the Posthorn mail server\n"
           ".SH DESCRIPTION\n" +
           markdown_in_roff(reference_markdown()) +
           ".SH FILES\n.TP\n.I /etc/posthorn/posthorn.toml\nmade by \\fBposthorn setup\\fR\n"
           ".TP\n.I /usr/share/doc/posthorn/examples/posthorn.toml\nevery setting with its default\n"
           ".SH SEE ALSO\n.BR posthorn (8),\n.BR sendmail (8)\n";
}

}  // namespace posthorn::config
