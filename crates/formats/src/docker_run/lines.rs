//! What stands around the lines of a paste and is none of the shell's: prompts, fences of Markdown, notes between lines that
//! go on, texts that are fed to other programs. Lines keep their numbers.

use super::program;

/// A text without what stands around its lines.
#[derive(Debug, Default)]
pub(super) struct Tidied {
    pub(super) text: String,
    /// The lines, from 1, before which a prompt stood: where there are some, the others are what commands printed.
    pub(super) prompted: Vec<u32>,
    /// It was written for a shell of Windows, where `\` parts folders.
    pub(super) windows: bool,
}

/// The most lines that are looked at to tell what a text is.
pub(super) const LOOKED_AT: usize = 200;

/// The line after which a here-document begins, by the word that ends it.
fn here_document(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("<<")?;
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let rest = rest.trim_start_matches(['\'', '"', '\\']);
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    (end > 0 && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .then(|| rest[..end].to_owned())
}

/// `\`, or what PowerShell and cmd write for it, at the end.
fn goes_on(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with('\\') || line.ends_with(" `") || line.ends_with(" ^")
}

/// For each line, whether the next one that is no note and not empty begins with a flag.
fn before_flags(lines: &[&str]) -> Vec<bool> {
    let mut all = vec![false; lines.len()];
    let mut is_flag = false;
    for (before, line) in all.iter_mut().zip(lines).rev() {
        *before = is_flag;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            is_flag = line.starts_with('-');
        }
    }
    all
}

pub(super) fn tidied(text: &str) -> Tidied {
    let lines: Vec<&str> = text.split('\n').collect();
    let plainly = |line: &&str| program::runs(prompt(line).map_or(line, |(_, rest)| rest));
    // `# docker run …` is a note, unless nothing else runs something: then it is what root is shown.
    let of_root = !lines.iter().any(plainly);
    let before_flags = before_flags(&lines);
    let mut tidied = Tidied::default();
    let (mut ends, mut continued) = (None::<String>, false);
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            tidied.text.push('\n');
        }
        let plain = line.trim();
        if let Some(word) = &ends {
            if plain == word {
                ends = None;
            }
            continue;
        }
        if plain.starts_with("```") || plain.starts_with("~~~") {
            continued = false;
            continue;
        }
        if continued && (plain.is_empty() || plain.starts_with('#')) {
            // The command goes on: with another flag, or because the note was a line of it.
            if plain.ends_with('\\') || before_flags[index] {
                tidied.text.push('\\');
                continue;
            }
            continued = false;
        }
        let mut line = *line;
        if continued {
            // What a shell shows before lines that go on.
            if let Some(rest) = line.trim_start().strip_prefix("> ") {
                line = rest;
            }
        } else {
            let root = plain.strip_prefix("# ").filter(|_| of_root);
            if let Some(rest) = root.filter(|rest| program::runs(rest)) {
                line = rest;
            } else if let Some((of_windows, rest)) = prompt(line) {
                tidied.windows |= of_windows;
                tidied.prompted.push(u32::try_from(index).unwrap_or(0) + 1);
                line = rest;
            }
            line = inside_of_assignment(line).unwrap_or(line);
        }
        line = without_note(line);
        continued = goes_on(line);
        tidied.windows |= continued && line.trim_end().ends_with(['`', '^']);
        ends = here_document(line);
        tidied.text.push_str(line);
    }
    tidied
}

/// What stands behind a prompt, and whether it is one of Windows.
fn prompt(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix("$ ") {
        return Some((false, rest.trim_start()));
    }
    let of_windows = line.starts_with("PS ") || line.as_bytes().get(1) == Some(&b':');
    for mark in ["$ ", "# ", "% ", "> ", ">", "❯ ", "➜ "] {
        let Some((before, rest)) = line.split_once(mark) else {
            continue;
        };
        let rest = rest.trim_start();
        // `unix>`, `user@host:~$`, `[user@host ~]$`, `PS C:\>`
        let is_prompt = before.len() <= 80
            && !before.contains(['"', '\'', '=', '<'])
            && !program::is_known(before)
            && (of_windows
                || before.contains('@')
                || before.starts_with('[')
                || !before.contains(' '));
        if is_prompt && (mark != "# " || !before.is_empty()) && program::is_known(rest) {
            return Some((of_windows, rest));
        }
    }
    None
}

/// `ID=$(docker run …)`, whose answer nobody asks for here.
fn inside_of_assignment(line: &str) -> Option<&str> {
    let (name, rest) = line.trim().split_once("=$(")?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let inner = rest.strip_suffix(')')?;
    (is_name && !name.is_empty() && program::runs(inner)).then_some(inner)
}

/// `-p 80:80 \ # a note`: the line is meant to go on.
fn without_note(line: &str) -> &str {
    let mut in_quotes = false;
    let mut before = None;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' | '\'' => in_quotes = !in_quotes,
            '\\' if !in_quotes && matches!(before, Some(' ' | '\t')) => {
                let behind = &line[at + 1..];
                let note = behind.trim_start_matches([' ', '\t']);
                if note.len() < behind.len() && note.starts_with('#') {
                    return &line[..=at];
                }
            }
            _ => {}
        }
        before = Some(letter);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_fences_and_notes_are_taken_off_and_lines_stay_where_they_are() {
        for (text, want) in [
            ("$ docker ps", "docker ps"),
            ("me@host:~/a$ docker run x", "docker run x"),
            ("[me@host ~]# podman run x", "podman run x"),
            ("PS C:\\Users\\me> docker run x", "docker run x"),
            ("C:\\>docker run x", "docker run x"),
            ("unix> docker run x", "docker run x"),
            ("# docker run x", "docker run x"),
            (
                "# docker run x\ndocker run y",
                "# docker run x\ndocker run y",
            ),
            ("```sh\ndocker run x\n```", "\ndocker run x\n"),
            ("docker run \\\n> -d x", "docker run \\\n-d x"),
            ("docker run -d \\ # note\nx", "docker run -d \\\nx"),
            ("docker run \\\n# a\n\n-d x", "docker run \\\n\\\n\\\n-d x"),
            ("docker run x \\\n\nls", "docker run x \\\n\nls"),
            ("cat <<EOF >f\na: b\nEOF\nls", "cat <<EOF >f\n\n\nls"),
            ("ID=$(docker run -d x)", "docker run -d x"),
            ("echo 1 > docker", "echo 1 > docker"),
        ] {
            assert_eq!(tidied(text).text, want, "{text}");
        }
    }
}
