//! Which version of a language a source asks for: exact ones as they are, ranges as the best of the lines that exist.

/// The lines of one language: what is chosen from when a range is given.
pub(super) struct Lines {
    /// Newest kind first is not needed: the first is what `default` stands for, the others in the order of preference.
    pub(super) known: &'static [(u64, u64)],
    /// How many numbers name a line: 1 for Node.js (`22`), 2 for Python (`3.13`).
    pub(super) parts: usize,
}

/// Lines with long support, as `scripts/bases` offers them.
pub(super) const NODE: Lines = Lines {
    known: &[(22, ANY), (24, ANY), (20, ANY), (18, ANY), (26, ANY)],
    parts: 1,
};
pub(super) const PYTHON: Lines = Lines {
    known: &[(3, 13), (3, 11), (3, 12), (3, 14), (3, 10), (3, 9)],
    parts: 2,
};

/// The newest of its kind.
const ANY: u64 = u64::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Whatever the base maker's default is: it satisfies what was asked, or nothing was.
    Default,
    Version(String),
}

impl Choice {
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Choice::Default => None,
            Choice::Version(version) => Some(version),
        }
    }
}

/// Reads `20`, `v20.11.1`, `20.x`, `>=18 <21`, `^20.1`, `18 || 20`, `~=3.11`, `>=3.10,<3.13`, `3.11.*`, `*`.
/// `None`: it is not a version at all.
pub(super) fn choose(asked: &str, lines: &Lines) -> Option<Choice> {
    let asked = asked.trim();
    if asked.is_empty()
        || matches!(
            asked,
            "*" | "x" | "latest" | "node" | "stable" | "lts/*" | "lts"
        )
    {
        return Some(Choice::Default);
    }
    if let Some(exact) = exact(asked, lines.parts) {
        return Some(Choice::Version(exact));
    }
    let ranges: Vec<Vec<Bound>> = asked.split("||").map(range).collect::<Option<Vec<_>>>()?;
    let fits = |line: &(u64, u64)| {
        // A line stands for its newest release.
        let newest = match lines.parts {
            1 => [line.0, ANY, ANY],
            _ => [line.0, line.1, ANY],
        };
        ranges
            .iter()
            .any(|bounds| bounds.iter().all(|bound| bound.holds(&newest)))
    };
    match lines.known.iter().position(fits) {
        Some(0) => Some(Choice::Default),
        Some(index) => Some(Choice::Version(show(&lines.known[index], lines.parts))),
        // No line that is known: the lowest that was named, and whoever has it may offer it.
        None => {
            let lowest = ranges.iter().flatten().map(|bound| bound.version).min()?;
            Some(Choice::Version(match lines.parts {
                1 => lowest[0].to_string(),
                _ => format!("{}.{}", lowest[0], lowest[1]),
            }))
        }
    }
}

fn show(line: &(u64, u64), parts: usize) -> String {
    match parts {
        1 => line.0.to_string(),
        _ => format!("{}.{}", line.0, line.1),
    }
}

/// One version and nothing else: `20`, `v20.11`, `20.x`, `3.11.*`, `=20`, `==3.11.4`.
fn exact(text: &str, parts: usize) -> Option<String> {
    let text = text
        .trim_start_matches('=')
        .trim()
        .trim_start_matches(['v', 'V']);
    let text = text
        .trim_end_matches(".x")
        .trim_end_matches(".*")
        .trim_end_matches(".x");
    let numbers: Vec<&str> = text.split('.').collect();
    let all = numbers.len() <= 3
        && numbers
            .iter()
            .all(|n| !n.is_empty() && n.len() < 9 && n.bytes().all(|b| b.is_ascii_digit()));
    // `3` alone names no line of Python.
    (all && numbers.len() >= parts).then(|| text.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    Above,
    Below,
    AtMost,
    Not,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    relation: Relation,
    version: [u64; 3],
}

impl Bound {
    fn holds(&self, version: &[u64; 3]) -> bool {
        match self.relation {
            Relation::AtLeast => version >= &self.version,
            Relation::Above => version > &self.version,
            Relation::Below => version < &self.version,
            Relation::AtMost => version <= &self.version,
            Relation::Not => version != &self.version,
        }
    }
}

/// Bounds that all must hold.
fn range(text: &str) -> Option<Vec<Bound>> {
    // `18 - 20`
    if let Some((from, to)) = text.split_once(" - ") {
        let (from, _) = numbers(from)?;
        let (to, given) = numbers(to)?;
        return Some(vec![
            bound(Relation::AtLeast, from),
            bound(Relation::Below, next(to, given)),
        ]);
    }
    // An operator may stand apart from its version.
    let mut joined = String::new();
    for word in text.replace(',', " ").split_whitespace() {
        if !joined.is_empty() && !joined.ends_with(['>', '<', '=', '^', '~', '!']) {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    let mut bounds = Vec::new();
    for word in joined.split(' ').filter(|word| !word.is_empty()) {
        let start = word
            .find(|c: char| c.is_ascii_digit() || matches!(c, 'v' | 'x' | '*'))
            .unwrap_or(word.len());
        let (operator, version) = word.split_at(start);
        if matches!(version, "*" | "x") {
            continue;
        }
        let (version, given) = numbers(version)?;
        match operator {
            ">=" => bounds.push(bound(Relation::AtLeast, version)),
            ">" => bounds.push(match given {
                // `>20` is 21 and up.
                1 | 2 => bound(Relation::AtLeast, next(version, given)),
                _ => bound(Relation::Above, version),
            }),
            "<" => bounds.push(bound(Relation::Below, version)),
            "<=" => bounds.push(match given {
                1 | 2 => bound(Relation::Below, next(version, given)),
                _ => bound(Relation::AtMost, version),
            }),
            "!=" => bounds.push(bound(Relation::Not, version)),
            "^" => bounds.extend([
                bound(Relation::AtLeast, version),
                bound(Relation::Below, next(version, 1)),
            ]),
            "~" => bounds.extend([
                bound(Relation::AtLeast, version),
                bound(Relation::Below, next(version, given.min(2))),
            ]),
            // PEP 440's compatible release: all but the last number stay.
            "~=" => bounds.extend([
                bound(Relation::AtLeast, version),
                bound(
                    Relation::Below,
                    next(version, given.saturating_sub(1).max(1)),
                ),
            ]),
            "" | "=" | "==" => bounds.extend([
                bound(Relation::AtLeast, version),
                bound(Relation::Below, next(version, given)),
            ]),
            _ => return None,
        }
    }
    Some(bounds)
}

fn bound(relation: Relation, version: [u64; 3]) -> Bound {
    Bound { relation, version }
}

/// The version's numbers and how many were given.
fn numbers(text: &str) -> Option<([u64; 3], usize)> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let mut out = [0; 3];
    let mut given = 0;
    for part in text.split('.') {
        if matches!(part, "x" | "*" | "X") {
            break;
        }
        // `20.0.0-rc.1` is near enough to `20.0.0`.
        let digits = part.split(['-', '+']).next()?;
        *out.get_mut(given)? = digits.parse().ok().filter(|n| *n < 1_000_000_000)?;
        given += 1;
        if digits.len() != part.len() {
            break;
        }
    }
    (given > 0).then_some((out, given))
}

/// The first version after all that begin with the first `given` numbers.
fn next(mut version: [u64; 3], given: usize) -> [u64; 3] {
    let given = given.clamp(1, 3);
    version[given - 1] += 1;
    version[given..].fill(0);
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_the_best_line_and_exact_versions_stay() {
        let show = |choice: Option<Choice>| match choice {
            None => "not a version".to_owned(),
            Some(Choice::Default) => "default".to_owned(),
            Some(Choice::Version(version)) => version,
        };
        for (asked, want) in [
            ("20", "20"),
            ("v20.11.1", "20.11.1"),
            ("20.x", "20"),
            ("20.x.x", "20"),
            (">=18", "default"),
            (">= 18", "default"),
            (">=18 <21", "20"),
            ("^20.1.0", "20"),
            ("~20.1.0", "20"),
            ("18 || 20", "20"),
            ("18 || >=22", "default"),
            ("<=20", "20"),
            (">22", "24"),
            ("18 - 20", "20"),
            ("^16", "16"),
            ("*", "default"),
            ("lts/*", "default"),
            ("lts/jod", "not a version"),
            ("banana", "not a version"),
        ] {
            assert_eq!(show(choose(asked, &NODE)), want, "{asked}");
        }
        for (asked, want) in [
            ("3.11", "3.11"),
            ("3.11.4", "3.11.4"),
            ("==3.11.*", "3.11"),
            ("3", "default"),
            (">=3.10", "default"),
            (">=3.10,<3.13", "3.11"),
            ("~=3.11", "default"),
            ("~=3.11.0", "3.11"),
            ("^3.12", "default"),
            (">=3.8, <3.9", "3.8"),
        ] {
            assert_eq!(show(choose(asked, &PYTHON)), want, "{asked}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_version_or_not(text in "[0-9.x*<>=~^|, v!-]{0,24}") {
            let _ = choose(&text, &NODE);
            let _ = choose(&text, &PYTHON);
        }
    }
}
