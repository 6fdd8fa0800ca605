// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "common.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bmae/detail/whole_files.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/values/error.hpp>

namespace bmae::program {

std::string duration_text(double seconds) {
    char text[48];
    auto const whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
    if (seconds < 60) {
        std::snprintf(text, sizeof text, "%.1f s", std::max(0.0, seconds));
    } else if (whole < 3600) {
        std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
    } else {
        std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
    }
    return text;
}

std::string count_text(std::uint64_t count) {
    std::string text = std::to_string(count);
    for (std::size_t place = text.size(); place > 3;) {
        place -= 3;
        text.insert(place, 1, ' ');
    }
    return text;
}

void say(std::string const& text) { std::cerr << text << '\n' << std::flush; }
void warn(std::string const& text) { say("warning: " + text); }

void say_report(ReadReport const& report, std::string const& what) {
    for (std::string const& message : report.messages) { say(message); }
    for (auto const& [kind, count] : report.left_out) { say(what + ": skipped " + count_text(count) + ' ' + kind); }
    if (report.skipped != 0) { warn(what + ": " + count_text(report.skipped) + " malformed lines were skipped"); }
    for (auto const& [reason, count] : report.reasons) { say(what + ": " + count_text(count) + " of them lack " + reason); }
    if (report.warnings > report.messages.size()) { warn(what + ": " + count_text(report.warnings) + " oddities in all"); }
}

void check_new_file(Path const& path) { detail::AtomicFile const probe(path); }   // leaves no output

void check_new_run(Path const& path, std::string const& tag) {
    detail::require_column(tag, "--tag", path.string());
    check_new_file(path);
}

void print(std::string_view text) {
    while (!text.empty()) {
        ssize_t const written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) { continue; }
        if (written < 0) { detail::fail_to_write("standard output", "write", errno); }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void print_result(Common const& common, Json const& result, std::string const& text) {
    print(text);
    if (common.json) { print(result.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'); }   // a path may be no UTF-8
}

// ---- progress ------------------------------------------------------------------------------------------------------------

Progress::Progress(std::string title, std::string unit, std::uint64_t total, std::uint64_t start)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      start_(start),
      count_(start),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::update(std::uint64_t count, std::string const& note) {
    count_ = count;
    note_ = note;
    auto const now = Clock::now();
    note_tick(now);
    if (now - drawn_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000))) { return; }
    if (!terminal_ && drawn_ == Clock::time_point{}) {   // the first plain line is printed after the interval
        drawn_ = now;
        return;
    }
    drawn_ = now;
    draw();
}

void Progress::restart(std::uint64_t start) {
    start_ = count_ = start;
    ticks_.clear();
}

/// Keeps the ticks of the last half minute, not more than ten a second.
void Progress::note_tick(Clock::time_point now) {
    constexpr auto window = std::chrono::seconds(30);
    bool const apart = ticks_.size() < 2 || now - ticks_[ticks_.size() - 2].at >= std::chrono::milliseconds(100);
    apart ? ticks_.push_back({now, count_}) : void(ticks_.back() = {now, count_});
    while (ticks_.size() > 2 && now - ticks_[1].at >= window) { ticks_.pop_front(); }
}

/// Counted between the first tick of the window and the last; 0 where there is one tick.
double Progress::rate() const {
    if (ticks_.size() < 2) { return 0; }
    double const seconds = std::chrono::duration<double>(ticks_.back().at - ticks_.front().at).count();
    return seconds > 0 ? static_cast<double>(ticks_.back().count - ticks_.front().count) / seconds : 0;
}

namespace {

/// The parts of a note: "loss 2.3127, rate 1.00e-04" are two.
std::vector<std::string> parts_of_note(std::string note) {
    std::vector<std::string> parts;
    while (!note.empty()) {
        std::size_t const end = note.find(", ");
        parts.push_back(note.substr(0, end));
        note.erase(0, end == std::string::npos ? note.size() : end + 2);
    }
    return parts;
}

}  // namespace

void Progress::draw() {
    std::string text = title_ + ' ' + count_text(count_);
    if (total_ != 0) { text += " of " + count_text(total_); }
    std::vector<std::string> parts{text + ' ' + unit_};   // the most telling first
    double const now = rate();
    if (total_ != 0 && now > 0 && count_ < total_) {
        parts.push_back(duration_text(static_cast<double>(total_ - count_) / now) + " left");
    }
    for (std::string& part : parts_of_note(note_)) { parts.push_back(std::move(part)); }
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, now < 10 ? "%.2f %s/s" : "%.0f %s/s", now, unit_.c_str());
    if (now > 0) { parts.insert(parts.begin() + std::min<std::ptrdiff_t>(3, std::ssize(parts)), numbers); }
    if (terminal_) {
        winsize window{};
        std::size_t const width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
        std::cerr << "\r\x1b[K" << bar_within(width, parts) << std::flush;
        return;
    }
    std::string line;
    for (std::string const& part : parts) { line += (line.empty() ? "" : ", ") + part; }
    say(line);
}

/// The first of the parts that fit, after a bar where the total is known.
std::string Progress::bar_within(std::size_t width, std::vector<std::string> const& parts) const {
    constexpr std::size_t fewest = 8, most = 24, frame = 3;   // cells; and "[] "
    std::size_t const room = std::max<std::size_t>(width, 2) - 1;
    std::size_t const reserved = total_ != 0 ? fewest + frame : 0;
    std::string text = parts.front();
    for (std::size_t i = 1; i < parts.size() && text.size() + 2 + parts[i].size() + reserved <= room; ++i) {
        text += ", " + parts[i];
    }
    if (total_ != 0 && text.size() + reserved <= room) {
        std::size_t const cells = std::min(most, room - text.size() - frame);
        auto const full = static_cast<std::size_t>(static_cast<double>(cells) *
                                                   std::min(1.0, static_cast<double>(count_) / static_cast<double>(total_)));
        text = '[' + std::string(full, '#') + std::string(cells - full, '.') + "] " + text;
    }
    if (text.size() > room) { text.resize(room); }
    return text;
}

void Progress::line(std::string const& text) {
    if (terminal_) { std::cerr << "\r\x1b[K"; }
    say(text);
}

void Progress::finish() {
    if (finished_) { return; }
    finished_ = true;
    if (terminal_) { std::cerr << "\r\x1b[K" << std::flush; }
    say(title_ + ": " + count_text(count_ - start_) + ' ' + unit_ + " in " + duration_text(seconds()));
}

// ---- interrupts: the handler writes one byte; a thread then calls functions that are not async-signal-safe -----------------

namespace {

int wake[2] = {-1, -1};
std::thread watcher;
struct sigaction old_interrupt;
struct sigaction old_terminate;

void on_signal(int) {
    char const byte = 's';
    [[maybe_unused]] ssize_t const written = ::write(wake[1], &byte, 1);
}

}  // namespace

Interrupt::Interrupt(std::function<void()> stop, std::string what_follows, LateInterrupt late) : late_(late) {
    if (::pipe2(wake, O_CLOEXEC) != 0) { throw RunError("cannot make a pipe: " + std::generic_category().message(errno)); }
    watcher = std::thread([stop = std::move(stop), text = std::move(what_follows), end = wake[0]] {
        for (char byte = 0; ::read(end, &byte, 1) == 1 && byte == 's';) {
            if (!text.empty()) { say("\ninterrupted: " + text + "; a second interrupt ends at once"); }
            stop();
        }
    });
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    ::sigaction(SIGINT, &action, &old_interrupt);
    ::sigaction(SIGTERM, &action, &old_terminate);
}

Interrupt::~Interrupt() {
    struct sigaction nothing{};
    nothing.sa_handler = SIG_IGN;
    bool const over = late_ == LateInterrupt::does_nothing;
    ::sigaction(SIGINT, over ? &nothing : &old_interrupt, nullptr);
    ::sigaction(SIGTERM, over ? &nothing : &old_terminate, nullptr);
    char const byte = 'q';
    [[maybe_unused]] ssize_t const written = ::write(wake[1], &byte, 1);
    watcher.join();
    ::close(wake[0]);
    ::close(wake[1]);
}

QuickExit::QuickExit()
    : interrupt_(
          [this] {
              if (finishing_) { return say("\ninterrupted: finishing the file; a second interrupt ends at once"); }
              say(nothing_written);
              std::_Exit(interrupted);
          },
          {}, LateInterrupt::does_nothing) {}

}  // namespace bmae::program
