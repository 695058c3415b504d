//! From events to the tree.

use std::collections::HashMap;

use pluvio_model::problem::{self, Code, Location, Problem};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::scalar::{Resolved, resolve};
use super::{Entry, Node, Position, Step, Value, show_path};

/// What a text may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// In bytes.
    pub size: usize,
    /// Lists and maps within each other.
    pub depth: usize,
    /// Nodes once aliases are resolved, so that a small text cannot become a large value.
    pub nodes: usize,
    /// Bytes of text that aliases may copy.
    pub copied: usize,
    /// Read what compose's files hold besides: `!reset` gives [`Value::Gone`], `!override` a map of that one key, and `<<`
    /// takes a list of `K=V` too.
    pub compose: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            size: 1 << 20,
            depth: 64,
            nodes: 100_000,
            copied: 16 << 20,
            compose: false,
        }
    }
}

/// Reads one document. An empty text is null. The positions of problems have no file; callers know it.
pub fn read(text: &str, limits: &Limits) -> Result<Node, Vec<Problem>> {
    if text.len() > limits.size {
        return Err(vec![problem::SPEC_TOO_LARGE.problem(
            format!(
                "The file has {} bytes; at most {} are read.",
                text.len(),
                limits.size
            ),
            "Move large contents out of it: into the image, a volume, or a file of its own.",
        )]);
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        unended: Unended::of(text),
        limits,
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
        problems: Vec::new(),
        trail: Vec::new(),
    };
    match reader.stream() {
        Ok(node) if reader.problems.is_empty() => Ok(node),
        Ok(_) => Err(reader.problems),
        Err(problem) => {
            reader.problems.push(*problem);
            Err(reader.problems)
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    unended: Option<Unended>,
    limits: &'t Limits,
    /// By anchor id; `None` while the anchored node is still being read.
    anchors: HashMap<usize, Option<Anchored>>,
    nodes: usize,
    copied: usize,
    /// What is wrong but does not stop the reading.
    problems: Vec<Problem>,
    /// The keys and indexes that lead to what is being read.
    trail: Vec<Step>,
}

/// The end of a text whose last line has no end of its own.
///
/// The parser gives a block scalar that ends there a line end that nobody wrote, and that other readers, compose's among them,
/// do not add.
struct Unended {
    line: usize,
    column: usize,
    /// Whether that line is blank: then the scalar ended with the line before, and has its end already.
    blank: bool,
}

impl Unended {
    fn of(text: &str) -> Option<Unended> {
        let last = text.rsplit('\n').next().unwrap_or_default();
        (!last.is_empty()).then(|| Unended {
            line: text.matches('\n').count() + 1,
            column: last.chars().count(),
            blank: last.trim().is_empty(),
        })
    }

    /// A block scalar as it is written.
    fn without_added<'t>(&self, event: Event<'t>, end: &Marker) -> Event<'t> {
        if (self.line, self.column) != (end.line(), end.col()) {
            return event;
        }
        match event {
            Event::Scalar(
                mut text,
                style @ (ScalarStyle::Literal | ScalarStyle::Folded),
                anchor,
                tag,
            ) => {
                let added = if self.blank { "\n\n" } else { "\n" };
                if text.ends_with(added) {
                    text.to_mut().pop();
                }
                Event::Scalar(text, style, anchor, tag)
            }
            event => event,
        }
    }
}

/// A value that aliases may repeat, and what a copy of it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
}

type Fatal = Box<Problem>;

pub(crate) fn problem_at(
    code: Code,
    at: Position,
    path: &str,
    cause: impl Into<String>,
    remedy: impl Into<String>,
) -> Problem {
    code.problem(cause, remedy).at(Location {
        file: None,
        line: Some(at.line),
        column: Some(at.column),
        path: path.to_owned(),
    })
}

fn syntax(at: Position, cause: impl Into<String>, remedy: impl Into<String>) -> Problem {
    problem_at(problem::SPEC_SYNTAX, at, "", cause, remedy)
}

fn position(mark: &Marker) -> Position {
    Position {
        line: u32::try_from(mark.line()).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(mark.col())
            .unwrap_or(u32::MAX)
            .saturating_add(1),
    }
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Position), Fatal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let event = match &self.unended {
                    Some(unended) => unended.without_added(event, &span.end),
                    None => event,
                };
                Ok((event, position(&span.start)))
            }
            Some(Err(error)) => {
                let at = position(error.marker());
                Err(Box::new(syntax(
                    at,
                    format!("Line {}: {}.", at.line, error.info()),
                    remedy_for(error.info()),
                )))
            }
            None => Ok((Event::StreamEnd, Position::default())),
        }
    }

    fn stream(&mut self) -> Result<Node, Fatal> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Box::new(syntax(
                        at,
                        format!("A second document begins on line {}.", at.line),
                        "Keep one document in the file; remove the `---` and what follows.",
                    )));
                }
                Event::DocumentStart(_) => {
                    let (event, at) = self.next()?;
                    root = Some(self.node(event, at, 0)?);
                }
                _ => {}
            }
        }
        Ok(root.unwrap_or(Node {
            at: Position { line: 1, column: 1 },
            value: Value::Scalar {
                text: String::new(),
                is: Resolved::Null,
            },
        }))
    }

    fn count(&mut self, more: usize, at: Position) -> Result<(), Fatal> {
        self.nodes += more;
        if self.nodes > self.limits.nodes {
            return Err(Box::new(problem_at(
                problem::SPEC_TOO_LARGE,
                at,
                "",
                format!(
                    "With its aliases written out, the file has more than {} values.",
                    self.limits.nodes
                ),
                "Use fewer aliases (`*name`) inside anchored values (`&name`).",
            )));
        }
        Ok(())
    }

    /// A copy of a value is about to be made.
    fn copy(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Fatal> {
        self.count(nodes, at)?;
        self.copied += bytes;
        if self.copied > self.limits.copied {
            return Err(Box::new(problem_at(
                problem::SPEC_TOO_LARGE,
                at,
                "",
                format!(
                    "With its aliases written out, the file has more than {} bytes.",
                    self.limits.copied
                ),
                "Use fewer aliases (`*name`) of long values.",
            )));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, at: Position, depth: usize) -> Result<Node, Fatal> {
        let before = self.nodes;
        self.count(1, at)?;
        if depth > self.limits.depth {
            return Err(Box::new(syntax(
                at,
                format!(
                    "Lists and maps are nested more than {} deep.",
                    self.limits.depth
                ),
                "Nothing in an application needs that; look for brackets that are not closed.",
            )));
        }
        let mark = self.mark(&event);
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), at))
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at);
                self.open(anchor);
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, at) => {
                            self.trail.push(Step::Index(items.len()));
                            items.push(self.node(event, at, depth + 1)?);
                            self.trail.pop();
                        }
                    }
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", at);
                self.open(anchor);
                (anchor, Value::Map(self.mapping(depth)?))
            }
            Event::Alias(id) => {
                let Some(Some(anchored)) = self.anchors.get(&id) else {
                    return Err(Box::new(syntax(
                        at,
                        format!(
                            "The alias on line {} is inside the value it names.",
                            at.line
                        ),
                        "An alias stands for a value that ended before it.",
                    )));
                };
                let (nodes, bytes) = (anchored.nodes, anchored.bytes);
                let node = anchored.node.clone();
                self.copy(nodes, bytes, at)?;
                return Ok(node);
            }
            _ => {
                return Err(Box::new(syntax(
                    at,
                    format!("A value is missing on line {}.", at.line),
                    remedy_for(""),
                )));
            }
        };
        let value = match mark {
            None => value,
            Some(Mark::Reset) => Value::Gone,
            Some(Mark::Override) => Value::Map(vec![Entry {
                key: OVERRIDE.to_owned(),
                key_at: at,
                value: Node { at, value },
            }]),
        };
        let node = Node { at, value };
        if anchor != 0 {
            let (nodes, bytes) = (self.nodes - before, node.bytes());
            // The copy that is kept counts too: anchors within anchors would hold the same text many times.
            self.copy(nodes, bytes, at)?;
            let node = node.clone();
            let anchored = Anchored { node, nodes, bytes };
            self.anchors.insert(anchor, Some(anchored));
        }
        Ok(node)
    }

    fn mark(&self, event: &Event) -> Option<Mark> {
        let tag = match event {
            Event::Scalar(_, _, _, tag)
            | Event::SequenceStart(_, tag)
            | Event::MappingStart(_, tag) => tag.as_deref()?,
            _ => return None,
        };
        match tag.suffix.as_str() {
            _ if !self.limits.compose => None,
            "reset" => Some(Mark::Reset),
            "override" => Some(Mark::Override),
            _ => None,
        }
    }

    fn open(&mut self, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Position> = HashMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, key_at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.node(event, key_at, depth + 1)?;
            let (event, at) = self.next()?;
            // An absent value is reported where the next token begins, which may be lines below.
            let empty =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text.is_empty());
            let at = if empty { key_at } else { at };
            self.trail
                .push(Step::Key(key.as_text().unwrap_or("?").to_owned()));
            let value = self.node(event, at, depth + 1)?;
            let path = show_path(&self.trail);
            self.trail.pop();
            let Value::Scalar { text: key, .. } = key.value else {
                self.problems.push(syntax(
                    key_at,
                    format!("The key on line {} is a list or a map.", key_at.line),
                    "Keys are plain words; write one.",
                ));
                continue;
            };
            if merges {
                match value.value {
                    Value::Map(_) => merged.push(value),
                    Value::List(items)
                        if items.iter().all(|item| matches!(item.value, Value::Map(_))) =>
                    {
                        merged.extend(items);
                    }
                    Value::List(items) if self.limits.compose => {
                        merged.push(Node::map(at, variables(items)));
                    }
                    _ => self.problems.push(syntax(
                        at,
                        "`<<` merges maps, and this is none.",
                        "Name a map by its anchor: `<<: *name`.",
                    )),
                }
                continue;
            }
            if let Some(first) = seen.get(&key) {
                self.problems.push(problem_at(
                    problem::SPEC_SYNTAX,
                    key_at,
                    &path,
                    format!(
                        "`{key}` is given twice: on line {} and on line {}.",
                        first.line, key_at.line
                    ),
                    "Keep one of them.",
                ));
                continue;
            }
            seen.insert(key.clone(), key_at);
            entries.push(Entry { key, key_at, value });
        }
        // What is written out wins over what is merged in, and an earlier merge over a later one.
        for node in merged {
            let Value::Map(more) = node.value else {
                continue;
            };
            for entry in more {
                if !seen.contains_key(&entry.key) {
                    seen.insert(entry.key.clone(), entry.key_at);
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Value {
        let plain = style == ScalarStyle::Plain;
        let is = match tag {
            None if plain => resolve(text),
            None => Resolved::Text,
            Some(tag) if tag.is_yaml_core_schema() => {
                let found = resolve(text);
                match (tag.suffix.as_str(), found) {
                    ("merge", _) if text == "<<" => Resolved::Text,
                    ("str", _) => Resolved::Text,
                    ("null", Resolved::Null)
                    | ("bool", Resolved::Bool(_))
                    | ("int", Resolved::Unsigned(_) | Resolved::Signed(_))
                    | ("float", Resolved::Float(_)) => found,
                    ("float", Resolved::Unsigned(_) | Resolved::Signed(_)) => {
                        text.parse().map_or(found, Resolved::Float)
                    }
                    _ => {
                        self.problems.push(syntax(
                            at,
                            format!("`{text}` is no `!!{}`.", tag.suffix),
                            "Leave the tag out, or correct the value.",
                        ));
                        Resolved::Text
                    }
                }
            }
            // `!` alone says "not resolved": a text.
            Some(tag) if tag.suffix.is_empty() => Resolved::Text,
            Some(tag) => {
                self.unknown_tag(tag, at);
                Resolved::Text
            }
        };
        Value::Scalar {
            text: text.to_owned(),
            is,
        }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, allowed: &str, at: Position) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == allowed)
            && !tag.suffix.is_empty()
        {
            self.unknown_tag(tag, at);
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, at: Position) {
        if self.limits.compose && matches!(tag.suffix.as_str(), "reset" | "override") {
            return;
        }
        let problem = syntax(
            at,
            format!("The tag `{tag}` means nothing here."),
            "Leave it out; only YAML's own tags (`!!str`, `!!int` …) are read.",
        );
        self.problems.push(problem.path(show_path(&self.trail)));
    }
}

/// What compose's own tags say of a value.
enum Mark {
    Reset,
    Override,
}

/// The key that stands for `!override`; no file can write it.
pub(crate) const OVERRIDE: &str = "!override";

/// `- K=V` as `K: V`.
fn variables(items: Vec<Node>) -> Vec<Entry> {
    items
        .into_iter()
        .filter_map(|item| {
            let (key, value) = match item.as_text()?.split_once('=') {
                Some((key, value)) => (key.to_owned(), Node::text(item.at, value)),
                None => (
                    item.as_text()?.to_owned(),
                    Node {
                        at: item.at,
                        value: Value::Scalar {
                            text: String::new(),
                            is: Resolved::Null,
                        },
                    },
                ),
            };
            Some(Entry {
                key,
                key_at: item.at,
                value,
            })
        })
        .collect()
}

fn remedy_for(info: &str) -> &'static str {
    if info.contains("tab") || info.contains('\t') {
        "Indent with spaces; YAML allows no tabs there."
    } else if info.contains("mapping values are not allowed") {
        "Look at this line and the one above: a text with `: ` in it needs quotes, and keys of one map begin in the same column."
    } else if info.contains("quoted scalar") {
        "Close the quote; inside double quotes a backslash is written twice."
    } else if info.contains("anchor") || info.contains("alias") {
        "Name an anchor (`&name`) that comes before the alias (`*name`)."
    } else {
        "Look at this line and the one above: indentation, a missing `: ` or `- `, a bracket or quote that is not closed."
    }
}
