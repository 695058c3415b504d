//! The shell's part: words, quotes, lines that go on, several commands.

use std::collections::HashMap;

use super::ansi;
use crate::compose::item::Place;

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    /// The text with [`LITERAL`] before what stands for itself. Empty until all is read.
    pub(super) marked: String,
    pub(super) at: Place,
}

/// Before a `$`, a backtick or a `%` that quotes kept from the shell. No word can have one of its own.
pub(super) const LITERAL: char = '\0';

/// A text as it is written, from one with marks.
pub(super) fn plain(marked: &str) -> String {
    marked.replace(LITERAL, "")
}

/// A letter that the shell takes as it is.
fn literal(c: char, word: &mut String) {
    if matches!(c, '$' | '`' | '%') {
        word.push(LITERAL);
    }
    word.push(c);
}

/// What the shell would have made of a text.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) commands: Vec<Vec<Word>>,
    /// Its variables that nothing is given for: they stay as they are written.
    pub(super) unset: Vec<String>,
    /// Those of which the value was put in.
    pub(super) used: Vec<String>,
    /// Variables that lines of the text set for those below: name, value, place.
    pub(super) set: Vec<(String, String, Place)>,
    /// `> file`, `2>&1`, `< file`, which are the shell's, by the command that they stand in.
    pub(super) redirected: Vec<(usize, Word)>,
}

/// What variables may put into a text, in bytes.
const FILLED_MAX: usize = 1 << 20;

/// The commands of a text, values of variables put in. `Err` has the line and what is wrong.
/// In a text for Windows (`windows`), `\` parts folders.
pub(super) fn commands(
    text: &str,
    given: &[(String, String)],
    windows: bool,
) -> Result<Read, (u32, &'static str)> {
    let text = &plain(text);
    let mut read = Read::default();
    let mut filled = 0;
    let mut commands: Vec<Vec<Word>> = Vec::new();
    let mut command: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut line = 1_u32;
    let mut letters = text.chars().peekable();
    // Where in `set` each name was set last.
    let mut known: HashMap<String, usize> = HashMap::new();
    let place = |line: u32| Place {
        line,
        ..Place::default()
    };
    macro_rules! word {
        () => {
            word.get_or_insert_with(|| Word {
                text: String::new(),
                marked: String::new(),
                at: place(line),
            })
            .text
        };
    }
    // Behind a `$`: its variable's value, or the `$` itself.
    macro_rules! variable {
        () => {
            match variable(&letters) {
                None => word!().push('$'),
                Some(Variable { name, behind, default }) => {
                    let value = given.iter().rfind(|(known, _)| *known == name);
                    let set = known.get(&name).map(|at| &read.set[*at]);
                    let value = value
                        .map(|(_, value)| marked(value))
                        .or_else(|| set.map(|(_, value, _)| value.clone()))
                        .or(default);
                    let home = name == "HOME" && value.is_none() && begins_path(&word!(), command.last());
                    match (value, behind) {
                        (None, Some(behind)) if home => {
                            word!().push('~');
                            letters = behind;
                        }
                        (Some(value), Some(behind)) if filled + value.len() <= FILLED_MAX => {
                            filled += value.len();
                            word!().push_str(&value);
                            letters = behind;
                            if !read.used.contains(&name) {
                                read.used.push(name);
                            }
                        }
                        _ => {
                            word!().push('$');
                            // The folder is known.
                            if !name.eq_ignore_ascii_case("PWD") && !read.unset.contains(&name) {
                                read.unset.push(name);
                            }
                        }
                    }
                }
            }
        };
    }
    // A command that sets variables and does nothing else is for those below it.
    macro_rules! ends {
        () => {
            command.extend(word.take());
            match assignments(&command) {
                Some(set) => {
                    for set in set {
                        known.insert(set.0.clone(), read.set.len());
                        read.set.push(set);
                    }
                    command.clear();
                }
                None if !command.is_empty() => commands.push(std::mem::take(&mut command)),
                None => {}
            }
        };
    }
    while let Some(c) = letters.next() {
        match c {
            '\n' => {
                ends!();
                line += 1;
            }
            '\r' => {}
            // What web pages make of blanks.
            ' ' | '\t' | '\u{a0}' | '\u{2009}' | '\u{200b}' => command.extend(word.take()),
            '\\' | '^' | '`' if ends_line(&letters) && !closes(c, word.as_ref()) => {
                for c in letters.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
                line += 1;
                command.extend(word.take());
            }
            // `#optional`: a comment between continued lines.
            '`' if letters.peek() == Some(&'#') => {
                for c in letters.by_ref() {
                    if c == '`' {
                        break;
                    }
                    if c == '\n' {
                        line += 1;
                    }
                }
            }
            '#' if word.is_none() && command.is_empty() => {
                for c in letters.by_ref() {
                    if c == '\n' {
                        line += 1;
                        break;
                    }
                }
            }
            '#' if word.is_none() => {
                while letters.peek().is_some_and(|c| *c != '\n') {
                    letters.next();
                }
            }
            '\'' | '\u{2018}' | '\u{2019}' => {
                let opened = line;
                let _ = word!();
                loop {
                    match letters.next() {
                        Some('\'' | '\u{2018}' | '\u{2019}') => break,
                        Some(c) => {
                            line += u32::from(c == '\n');
                            literal(c, &mut word!());
                        }
                        None => return Err((opened, "a single quote is not closed")),
                    }
                }
            }
            '"' | '\u{201c}' | '\u{201d}' => {
                let opened = line;
                let _ = word!();
                loop {
                    match letters.next() {
                        Some('"' | '\u{201c}' | '\u{201d}') => break,
                        Some('\\') => match letters.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => literal(c, &mut word!()),
                            Some('\n') => line += 1,
                            Some(c) => word!().extend(['\\', c]),
                            None => return Err((opened, "a double quote is not closed")),
                        },
                        Some('$') => variable!(),
                        Some(c) => {
                            line += u32::from(c == '\n');
                            word!().push(c);
                        }
                        None => return Err((opened, "a double quote is not closed")),
                    }
                }
            }
            '\\' if windows => word!().push('\\'),
            // A folder of Windows, which a shell of Unix would take apart.
            '\\' if letters.peek().is_some_and(|c| c.is_alphanumeric())
                && is_of_drive(word.as_ref(), command.last()) =>
            {
                word!().push('\\');
            }
            '\\' => {
                if let Some(c) = letters.next() {
                    literal(c, &mut word!());
                }
            }
            // `<your key>` is a place for a value; other signs of that kind lead a program's input and output elsewhere.
            '<' if placeholder(&letters).is_some() => {
                let inner = placeholder(&letters).unwrap_or_default();
                word!().push('<');
                word!().push_str(&inner);
                for _ in inner.chars() {
                    letters.next();
                }
            }
            '<' | '>'
                if word
                    .as_ref()
                    .is_none_or(|word| word.text.bytes().all(|b| b.is_ascii_digit())) =>
            {
                let mut shown = word.take().map(|word| word.text).unwrap_or_default();
                shown.push(c);
                target(&mut letters, &mut shown);
                let word = Word {
                    marked: shown.clone(),
                    text: shown,
                    at: place(line),
                };
                read.redirected.push((commands.len(), word));
            }
            '$' if letters.peek() == Some(&'(') => {
                // `$(id -u)` is one word, whatever is in it.
                word!().push('$');
                let mut open = 0;
                for c in letters.by_ref() {
                    word!().push(c);
                    match c {
                        '(' => open += 1,
                        ')' => open -= 1,
                        '\n' => line += 1,
                        _ => {}
                    }
                    if open == 0 {
                        break;
                    }
                }
            }
            '$' if !windows && letters.peek() == Some(&'\'') => {
                letters.next();
                let Some((said, lines)) = ansi::quoted(&mut letters) else {
                    return Err((line, "a single quote is not closed"));
                };
                let _ = word!();
                for c in said.chars() {
                    literal(c, &mut word!());
                }
                line += lines;
            }
            '$' => variable!(),
            ';' | '|' | '&' if word.is_none() || c != '&' => {
                ends!();
                while letters
                    .peek()
                    .is_some_and(|next| matches!(next, '&' | '|' | ';'))
                {
                    letters.next();
                }
            }
            c => word!().push(c),
        }
    }
    ends!();
    for (_, value, _) in &mut read.set {
        *value = plain(value);
    }
    for word in commands.iter_mut().flatten() {
        word.marked = std::mem::take(&mut word.text);
        word.text = plain(&word.marked);
    }
    read.commands = commands;
    Ok(read)
}

/// A value that the shell puts in, and does not look into.
fn marked(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        literal(c, &mut out);
    }
    out
}

/// What a command sets that is `A=1`, or `export A=1`, and nothing else; not where a program would have to answer.
fn assignments(command: &[Word]) -> Option<Vec<(String, String, Place)>> {
    let words = match command {
        [first, rest @ ..] if matches!(first.text.as_str(), "export" | "set") => rest,
        words => words,
    };
    if words.is_empty() {
        return None;
    }
    let one = |word: &Word| {
        let (name, value) = word.text.split_once('=')?;
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_known = !value.contains("$(") && !value.contains('`');
        (is_name && is_known).then(|| (name.to_owned(), value.to_owned(), word.at))
    };
    words.iter().map(one).collect()
}

/// Whether a path may begin behind this part of a word.
fn begins_path(before: &str, flag: Option<&Word>) -> bool {
    if before.is_empty() {
        let flag = flag.map_or("", |word| word.text.as_str());
        return matches!(flag, "-v" | "--volume" | "--env-file");
    }
    ["source=", "src=", "-v", "volume=", "env-file="]
        .iter()
        .any(|flag| before.ends_with(flag))
}

/// Whether a word is a path of the machine that goes on in a drive of Windows: `D:`, `D:\data`.
fn is_of_drive(word: Option<&Word>, flag: Option<&Word>) -> bool {
    const PATH_MAX: usize = 4096;
    let text = word.map_or("", |word| word.text.as_str());
    if text.len() > PATH_MAX {
        return false;
    }
    let start = text.rfind('=').map_or(0, |at| at + 1);
    let mut letters = text[start..].chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    drive
        && letters.next() == Some(':')
        && matches!(letters.next(), None | Some('\\'))
        && begins_path(&text[..start], flag)
}

/// `your key>` behind a `<`: letters and blanks on one line, or a path without blanks.
fn placeholder(letters: &Letters) -> Option<String> {
    let mut inner = String::new();
    for c in letters.clone().take(80) {
        let is_first = inner.is_empty();
        inner.push(c);
        match c {
            '>' => return (!is_first).then_some(inner),
            '/' => {}
            ' ' if inner.starts_with('/') => return None,
            ' ' | '-' | '_' | '.' | ':' | '\'' | ',' if !is_first => {}
            c if c.is_alphanumeric() => {}
            _ => return None,
        }
    }
    None
}

/// Where input comes from or output goes: one word, quotes and all.
fn target(letters: &mut Letters, shown: &mut String) {
    while let Some(c) = letters.next_if(|c| matches!(c, '<' | '>' | '&' | ' ' | '\t')) {
        shown.push(c);
    }
    let mut quote = None;
    while let Some(c) = letters.next_if(|c| match quote {
        Some(_) => *c != '\n',
        None => !c.is_whitespace() && !matches!(c, ';' | '|' | '&'),
    }) {
        shown.push(c);
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
}

type Letters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// A variable that begins behind a `$`: `NAME`, `{NAME}`, `{NAME:-default}`.
struct Variable<'t> {
    name: String,
    /// What is behind it; nothing where it cannot be told what it stands for.
    behind: Option<Letters<'t>>,
    default: Option<String>,
}

fn variable<'t>(letters: &Letters<'t>) -> Option<Variable<'t>> {
    let mut rest = letters.clone();
    let is_braced = rest.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if !name.starts_with(|c: char| !c.is_ascii_digit()) {
        return None;
    }
    if !is_braced || rest.next_if_eq(&'}').is_some() {
        let (behind, default) = (Some(rest), None);
        return Some(Variable {
            name,
            behind,
            default,
        });
    }
    // A default that is text; one with variables of its own is not looked into.
    rest.next_if_eq(&':');
    let has_default = rest.next_if(|c| matches!(c, '-' | '=')).is_some();
    let mut default = String::new();
    while let Some(c) = rest.next_if(|c| has_default && !matches!(c, '}' | '$' | '`' | '\n')) {
        default.push(c);
    }
    let ends = has_default && rest.next_if_eq(&'}').is_some();
    Some(Variable {
        name,
        behind: ends.then_some(rest),
        default: ends.then_some(default),
    })
}

/// Whether it is the second backtick of a word: `` `pwd` ``.
fn closes(c: char, word: Option<&Word>) -> bool {
    c == '`' && word.is_some_and(|word| word.text.contains('`'))
}

/// Only blanks until the end of the line.
fn ends_line(letters: &Letters) -> bool {
    let mut rest = letters.clone();
    for _ in 0..200 {
        match rest.next() {
            Some('\n') => return true,
            Some(' ' | '\t' | '\r' | '\u{a0}') => {}
            _ => return false,
        }
    }
    false
}

/// Whether a text, with marks, has one of these variables in it.
pub(super) fn has_one_of(marked: &str, names: &[String]) -> bool {
    marked.match_indices('$').any(|(at, _)| {
        let rest = &marked[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        !marked[..at].ends_with(LITERAL) && names.iter().any(|name| rest.starts_with(name.as_str()))
    })
}

/// Whether the shell would run a command in a text with marks.
pub(super) fn runs_a_command(marked: &str, backticks: bool) -> bool {
    let mut begins = marked
        .char_indices()
        .filter(|(_, c)| matches!(c, '$' | '`'));
    begins.any(|(at, c)| {
        let is_one = match c {
            '$' => marked[at + 1..].starts_with('('),
            _ => backticks,
        };
        is_one && !marked[..at].ends_with(LITERAL)
    })
}
