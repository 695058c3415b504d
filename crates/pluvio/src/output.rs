//! What a command prints: one JSON document on stdout with `--json`, words for people otherwise; problems on stderr.

use std::io::{IsTerminal, Write};

use pluvio_model::problem::Problem;
use serde::Serialize;

/// How to print. Colours only where a person reads and did not say no (`NO_COLOR`, no-color.org).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    colour: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warn,
    Faint,
    Strong,
    Accent,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool) -> Output {
        let colour = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Output {
            json,
            quiet,
            verbose,
            colour,
        }
    }

    pub(crate) fn paint(&self, tone: Tone, text: impl std::fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Warn => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Accent => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The document of `--json`.
    pub(crate) fn document(&self, value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).expect("what is printed serialises");
        out_line(&text);
    }

    /// One line of a stream of `--json`.
    pub(crate) fn row(&self, value: &impl Serialize) {
        out_line(&serde_json::to_string(value).expect("what is printed serialises"));
    }

    /// What a command is for, on stdout.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            out_line(text.as_ref());
        }
    }

    /// Progress, on stderr.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let text = for_eyes(text.as_ref(), std::io::stderr().is_terminal());
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// A table on stdout, columns as wide as their widest cell.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        if self.json {
            return;
        }
        let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let print = |cells: Vec<&str>| {
            let mut line = String::new();
            for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                line.push_str(cell);
                if i + 1 < cells.len() {
                    line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
                }
            }
            out_line(line.trim_end());
        };
        print(head.to_vec());
        for row in rows {
            print(row.iter().map(String::as_str).collect());
        }
    }

    pub(crate) fn problem(&self, problem: &Problem) {
        if self.json {
            self.document(problem);
            return;
        }
        let mut text = format!(
            "{} {}\n",
            self.paint(Tone::Bad, "✗"),
            self.paint(Tone::Strong, &problem.title)
        );
        if let Some(at) = &problem.at {
            let mut place = at.file.clone().unwrap_or_default();
            if let Some(line) = at.line {
                place.push_str(&format!(":{line}"));
                if let Some(column) = at.column {
                    place.push_str(&format!(":{column}"));
                }
            }
            if !at.path.is_empty() {
                if !place.is_empty() {
                    place.push_str("  ");
                }
                place.push_str(&at.path);
            }
            if !place.is_empty() {
                text.push_str(&format!("  {}\n", self.paint(Tone::Faint, place)));
            }
        }
        text.push_str(&format!("  {}\n", problem.cause));
        for line in &problem.evidence {
            text.push_str(&format!("    {}\n", self.paint(Tone::Faint, line)));
        }
        text.push_str(&format!(
            "  {} {}\n  {}\n",
            self.paint(Tone::Accent, "→"),
            problem.remedy,
            self.paint(Tone::Faint, format!("pluvio explain {}", problem.code))
        ));
        let text = for_eyes(&text, std::io::stderr().is_terminal());
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Text as a terminal may have it: lines that a program logged, and names that others gave, can hold sequences that move the
/// cursor, write what the person seems to have typed, or hide what stands there. Colours stay; what goes into a file or a
/// program is left as it is.
fn for_eyes(text: &str, terminal: bool) -> std::borrow::Cow<'_, str> {
    if !terminal || !text.chars().any(is_control) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, kept) = match first {
            '\x1b' | '\u{9b}' | '\u{9d}' | '\u{90}' => sequence(rest),
            _ => (first.len_utf8(), !is_control(first)),
        };
        if kept {
            shown.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    shown.into()
}

/// Control characters but for line ends and tabs, and those that turn the direction of writing.
fn is_control(one: char) -> bool {
    (one.is_control() && one != '\n' && one != '\t')
        || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How long the sequence is that the text begins with (ECMA-48), and whether it is one of colours.
fn sequence(text: &str) -> (usize, bool) {
    let mut chars = text.char_indices();
    let opened = match chars.next().map(|(_, first)| first) {
        Some('\x1b') => chars.next().map(|(_, second)| second),
        Some('\u{9b}') => Some('['),
        Some(_) => Some(']'),
        None => None,
    };
    match opened {
        Some('[') => {
            let begin = chars.offset();
            for (at, one) in chars {
                match one {
                    '\x40'..='\x7e' => {
                        let of_colour = one == 'm'
                            && text.starts_with("\x1b[")
                            && text[begin..at]
                                .chars()
                                .all(|c| c.is_ascii_digit() || matches!(c, ';' | ':'));
                        return (at + 1, of_colour);
                    }
                    '\x20'..='\x3f' => {}
                    // It is broken off here.
                    _ => return (at, false),
                }
            }
            (text.len(), false)
        }
        // A string: up to its terminator, or to the end of the line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let mut before = ' ';
            for (at, one) in chars {
                if one == '\x07' || one == '\u{9c}' || (before == '\x1b' && one == '\\') {
                    return (at + one.len_utf8(), false);
                }
                if one == '\n' {
                    return (at, false);
                }
                before = one;
            }
            (text.len(), false)
        }
        Some('\n') | None => (1.min(text.len()), false),
        Some(_) => (chars.offset(), false),
    }
}

/// Ends quietly when the reader of a pipe has gone (`pluvio logs | head`).
fn out_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let text = for_eyes(text, out.is_terminal());
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// `1 m 24 s`, `3.7 s`, `240 ms`
pub(crate) fn span(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", millis as f64 / 1000.0),
        60_000..3_600_000 => format!("{} m {} s", millis / 60_000, millis % 60_000 / 1000),
        _ => format!("{} h {} m", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// `3 min ago`
pub(crate) fn ago(at: jiff::Timestamp) -> String {
    let seconds = jiff::Timestamp::now().duration_since(at).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// `128 MiB`
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.0} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::for_eyes;

    #[test]
    fn a_terminal_is_told_nothing_but_colours() {
        let eyes = |text| for_eyes(text, true).into_owned();
        assert_eq!(eyes("a\tb\nc – é"), "a\tb\nc – é");
        assert_eq!(eyes("\x1b[1;31mred\x1b[0m"), "\x1b[1;31mred\x1b[0m");
        // The screen cleared, the title set, what was typed answered, the line written over, C1 forms, broken off.
        assert_eq!(eyes("a\x1b[2J\x1b[Hb"), "ab");
        assert_eq!(eyes("a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c"), "abc");
        assert_eq!(eyes("a\x1b[6nb\x1b[>4;1mc\x1bcd"), "abcd");
        assert_eq!(eyes("good\rbad\x08\x07"), "goodbad");
        assert_eq!(eyes("a\u{9b}2Jb\u{9d}0;x\u{9c}c"), "abc");
        assert_eq!(eyes("a\x1b]0;never ended\nb\x1b["), "a\nb");
        assert_eq!(eyes("\x1b"), "");
        assert_eq!(eyes("a\u{202e}b"), "ab");
        assert_eq!(for_eyes("a\x1b[2J", false), "a\x1b[2J");
    }
}
