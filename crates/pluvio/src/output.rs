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
            let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
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
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Ends quietly when the reader of a pipe has gone (`pluvio logs | head`).
fn out_line(text: &str) {
    let mut out = std::io::stdout().lock();
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
