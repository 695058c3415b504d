//! The images that a Dockerfile names: read, and replaced where a name means something else.
//!
//! Pure. Lines that are no instructions, comments and bodies of here-documents included, stay as they are written.

use std::ops::Range;

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;

use crate::authorities::{escape_character, heredoc_end};

/// The images of `FROM` lines, stages and `scratch` left out, arguments put in as far as they are known.
pub(crate) fn from_names(text: &str, args: &IndexMap<String, String>) -> Vec<String> {
    let mut arguments = Arguments::new(args);
    let mut stages: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for piece in pieces(text) {
        arguments.read(&piece);
        if piece.keyword() != "FROM" {
            continue;
        }
        let words = piece.words.iter().map(|word| &piece.text[word.clone()]);
        let mut words = words.skip(1).filter(|word| !word.starts_with("--"));
        let image = arguments.put_into(words.next().unwrap_or_default());
        let is_stage = stages
            .iter()
            .any(|stage| stage.eq_ignore_ascii_case(&image));
        if !is_stage && image != "scratch" && !image.is_empty() && !image.contains('$') {
            names.push(image);
        }
        stages.push(words.nth(1).unwrap_or_default().to_owned());
    }
    names.sort();
    names.dedup();
    names
}

/// The Dockerfile with images in place of the contexts that it names in `FROM`, `COPY --from` and `RUN --mount=from`, as
/// BuildKit resolves them: before stages of the same name, and in every form of an image's name.
///
/// Not by stages in front of the others: `COPY --from=0` would be another one.
pub(crate) fn with_contexts(
    text: &str,
    args: &IndexMap<String, String>,
    contexts: &[(String, String)],
) -> String {
    let parsed = |name: &str| name.to_ascii_lowercase().parse::<ImageReference>().ok();
    let known: Vec<(Option<ImageReference>, &str)> = contexts
        .iter()
        .map(|(name, image)| (parsed(name), image.as_str()))
        .collect();
    let context = |name: &str| {
        let name = parsed(name)?;
        let found = known
            .iter()
            .find(|(known, _)| known.as_ref() == Some(&name));
        found.map(|(_, image)| *image)
    };
    let mut arguments = Arguments::new(args);
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        arguments.read(&piece);
        let mut line = piece.text.to_owned();
        for place in piece.named().into_iter().rev() {
            // Only FROM reads arguments.
            let name = match piece.keyword().as_str() {
                "FROM" => arguments.put_into(&piece.text[place.clone()]),
                _ => piece.text[place.clone()].to_owned(),
            };
            if let Some(image) = context(&name) {
                line.replace_range(place, image);
            }
        }
        out.push_str(&line);
    }
    out
}

/// Of a name, in bytes.
const LONGEST: usize = 4096;

/// Arguments before the first `FROM`, as far as they are known where an instruction stands.
struct Arguments<'a> {
    given: &'a IndexMap<String, String>,
    known: IndexMap<String, String>,
    closed: bool,
}

impl<'a> Arguments<'a> {
    fn new(given: &'a IndexMap<String, String>) -> Arguments<'a> {
        Arguments {
            given,
            known: IndexMap::new(),
            closed: false,
        }
    }

    fn read(&mut self, piece: &Piece) {
        let keyword = piece.keyword();
        self.closed |= keyword == "FROM";
        if self.closed || keyword != "ARG" {
            return;
        }
        for word in piece.words.iter().skip(1) {
            let word = &piece.text[word.clone()];
            let (name, default) = word.split_once('=').unwrap_or((word, ""));
            let default = default.trim_matches(['"', '\'']);
            let value = self.given.get(name).map_or(default, String::as_str);
            self.known.insert(name.to_owned(), value.to_owned());
        }
    }

    fn put_into(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.known {
            // No image has such a name: arguments of arguments could grow without end.
            if text.len() > LONGEST {
                break;
            }
            text = text
                .replace(&format!("${{{name}}}"), value)
                .replace(&format!("${name}"), value);
        }
        text
    }
}

/// An instruction with all its lines, or a line that is none; together they are the whole text.
struct Piece<'t> {
    text: &'t str,
    /// Where they stand in the text; none where it is no instruction.
    words: Vec<Range<usize>>,
}

impl Piece<'_> {
    fn keyword(&self) -> String {
        let word = self.words.first().cloned();
        word.map_or_else(String::new, |word| self.text[word].to_ascii_uppercase())
    }

    /// Where names of images or stages stand.
    fn named(&self) -> Vec<Range<usize>> {
        let rest = self.words.iter().skip(1).cloned();
        let text = |word: &Range<usize>| &self.text[word.clone()];
        let is_flag = |word: &Range<usize>| text(word).starts_with("--");
        match self.keyword().as_str() {
            "FROM" => rest.skip_while(is_flag).take(1).collect(),
            "COPY" | "ADD" => rest
                .take_while(is_flag)
                .filter_map(|word| {
                    let name = text(&word).strip_prefix("--from=")?;
                    Some(word.end - name.len()..word.end)
                })
                .collect(),
            "RUN" => rest
                .take_while(is_flag)
                .flat_map(|word| mounted_from(text(&word), word.start))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What follows `from=` in a `--mount=…` that begins at a place.
fn mounted_from(word: &str, start: usize) -> Vec<Range<usize>> {
    const FLAG: &str = "--mount=";
    let mut places = Vec::new();
    let mut at = start + FLAG.len();
    for field in word
        .strip_prefix(FLAG)
        .into_iter()
        .flat_map(|m| m.split(','))
    {
        let end = at + field.len();
        if let Some(name) = field.strip_prefix("from=") {
            places.push(end - name.len()..end);
        }
        at = end + 1;
    }
    places
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let escape = escape_character(text);
    let mut all = Vec::new();
    let mut heredoc: Option<String> = None;
    // Where the instruction under way begins, and its words so far.
    let mut under_way: Option<(usize, Vec<Range<usize>>)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, trimmed) = (at, line.trim());
        at += line.len();
        let nothing = trimmed.is_empty() || trimmed.starts_with('#');
        if heredoc.is_some() || (nothing && under_way.is_none()) {
            if heredoc.as_deref() == Some(trimmed) {
                heredoc = None;
            }
            all.push(Piece {
                text: line,
                words: Vec::new(),
            });
            continue;
        }
        let (from, words) = under_way.get_or_insert_with(|| (start, Vec::new()));
        if nothing {
            continue;
        }
        let body = line.trim_end();
        let goes_on = body.ends_with(escape);
        let inside = start - *from;
        let body = body.strip_suffix(escape).unwrap_or(body);
        words.extend(words_of(body).map(|word| inside + word.start..inside + word.end));
        if !goes_on {
            let (from, words) = under_way.take().expect("begun above");
            let piece = Piece {
                text: &text[from..at],
                words,
            };
            if matches!(piece.keyword().as_str(), "RUN" | "COPY" | "ADD") {
                heredoc = heredoc_end(piece.text);
            }
            all.push(piece);
        }
    }
    if let Some((from, words)) = under_way {
        let text = &text[from..];
        all.push(Piece { text, words });
    }
    all
}

fn words_of(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|c: char| !c.is_whitespace())?;
        let length = line[start..].find(char::is_whitespace);
        at = length.map_or(line.len(), |length| start + length);
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_lines_are_read_with_their_arguments() {
        let text = "ARG NODE=20\nARG BASE=\"alpine\"\nFROM --platform=linux/amd64 node:${NODE} AS build\nRUN x\nFROM $BASE\nCOPY --from=build /a /a\nFROM build\nFROM scratch\nFROM ${UNKNOWN}\n";
        let args = IndexMap::from([("NODE".to_owned(), "22".to_owned())]);
        assert_eq!(from_names(text, &args), ["alpine", "node:22"]);
    }

    #[test]
    fn contexts_are_named_wherever_an_image_can_be() {
        let text = "# syntax=docker/dockerfile:1\nARG BASE=shared\nFROM --platform=linux/amd64 \\\n  # FROM shared\n  ${BASE} \\\n  AS one\nFROM docker.io/library/alpine:3 AS two\nfrom other\nCOPY --chown=1:1 --from=Shared a --from=shared /\nADD --from=0 a /\nRUN --mount=type=cache,target=/c --mount=type=bind,from=tools,source=/x,target=/y --mount=from=one echo --mount=from=tools from=shared\nRUN <<EOF\nFROM shared\nCOPY --from=shared a b\nEOF\nCOPY --from=tools \\\n  a b";
        let contexts = [
            ("shared", "ctx:1"),
            ("alpine:3", "docker.io/library/alpine:3.20"),
            ("tools", "ctx:2"),
        ]
        .map(|(name, image)| (name.to_owned(), image.to_owned()));
        let want = text
            .replace("  ${BASE} ", "  ctx:1 ")
            .replace("library/alpine:3 AS", "library/alpine:3.20 AS")
            .replace("--from=Shared a", "--from=ctx:1 a")
            .replace("bind,from=tools,", "bind,from=ctx:2,")
            .replace("--from=tools \\", "--from=ctx:2 \\");
        assert_eq!(with_contexts(text, &IndexMap::new(), &contexts), want);
        assert_eq!(with_contexts(text, &IndexMap::new(), &[]), text);
        // A stage of the same name is what nothing refers to any more.
        let staged = "FROM a AS shared\nRUN x\nFROM shared\nCOPY --from=shared b c\n";
        assert_eq!(
            with_contexts(staged, &IndexMap::new(), &contexts),
            "FROM a AS shared\nRUN x\nFROM ctx:1\nCOPY --from=ctx:1 b c\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_stays_where_nothing_is_named(text in "((FROM|COPY|RUN|ARG|#)? ?(--from=|--mount=from=)?[a-z0-9$\\[\\]\"<{}:-]{0,8}[\\\\\n ]{0,2}){0,20}") {
            proptest::prop_assert_eq!(with_contexts(&text, &IndexMap::new(), &[]), text.clone());
            let _ = from_names(&text, &IndexMap::new());
        }
    }
}
