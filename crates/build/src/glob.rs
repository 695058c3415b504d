//! Globs over paths with `/`: `*` and `?` within a segment, `[a-z]`, and `**` for any number of segments.

/// A parsed pattern. Parsing never fails: what means nothing special stands for itself.
#[derive(Debug, Clone)]
pub struct Glob<'p> {
    segments: Vec<&'p str>,
}

impl<'p> Glob<'p> {
    pub fn new(pattern: &'p str) -> Glob<'p> {
        Glob {
            segments: pattern.split('/').collect(),
        }
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        segments_match(&self.segments, &path)
    }
}

fn segments_match(pattern: &[&str], path: &[&str]) -> bool {
    // One row for each pattern segment: which ends of `path` it can reach. Linear in both, whatever the number of `**`.
    let mut reach = vec![false; path.len() + 1];
    reach[0] = true;
    for (index, segment) in pattern.iter().enumerate() {
        let mut next = vec![false; path.len() + 1];
        if *segment == "**" {
            let mut open = false;
            for at in 0..=path.len() {
                open |= reach[at];
                next[at] = open;
            }
            // A trailing `**` means something below: `a/**` is not `a` itself.
            if index + 1 == pattern.len() && pattern.len() > 1 {
                for at in (0..=path.len()).rev() {
                    next[at] = reach[..at].iter().any(|open| *open);
                }
            }
        } else {
            for at in 0..path.len() {
                next[at + 1] = reach[at] && segment_matches(segment, path[at]);
            }
        }
        reach = next;
    }
    reach[path.len()]
}

/// One segment: `*`, `?`, `[abc]`, `[!a-z]`, `\x`.
pub(crate) fn segment_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => match class(&pattern[p + 1..], text[t]) {
                Some((length, true)) => Some(p + 1 + length),
                Some((_, false)) => None,
                None => (text[t] == '[').then_some(p + 1),
            },
            Some('\\') if p + 1 < pattern.len() => (pattern[p + 1] == text[t]).then_some(p + 2),
            Some(c) => (*c == text[t]).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                p = after;
                t = from + 1;
                star = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What follows `[`: how many characters the class takes (with its `]`) and whether `c` is in it. `None`: it never closes.
fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let (mut found, start) = (false, at);
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > start {
            return Some((at + 1, found != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(high)) if *high != ']' => {
                found |= (low..=*high).contains(&c);
                at += 3;
            }
            _ => {
                found |= low == c;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_shells_and_git_do() {
        for (pattern, path, want) in [
            ("package.json", "package.json", true),
            ("package.json", "a/package.json", false),
            ("*.txt", "a.txt", true),
            ("*.txt", "a/b.txt", false),
            ("**", "a/b/c", true),
            ("**/*.go", "main.go", true),
            ("**/*.go", "cmd/x/main.go", true),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("requirements*.txt", "requirements-dev.txt", true),
            ("[a-c]?", "b7", true),
            ("[!a-c]?", "b7", false),
            ("[", "[", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("\\*", "*", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(path), want, "{pattern} {path}");
        }
    }
}
