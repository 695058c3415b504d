//! What becomes of a request.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// 409 to a write, as when somebody else writes in the same moment.
    Conflict,
    /// 410 to a watch that begins where an old one ended.
    Gone,
    /// 410 as an event of a watch.
    GoneEvent,
    /// 429 with Retry-After.
    TooMany,
    /// 500, and nothing was done.
    Failed,
    /// 500, and it was done.
    FailedAfter,
    /// 503 without Retry-After.
    Unavailable,
    /// The connection is reset before the server heard of it.
    ResetBefore,
    /// The connection is reset when the server has done it, before its answer or in the middle of it.
    ResetAfter,
    /// The answer ends in its middle.
    Truncated,
    /// A watch ends in the middle of a line.
    WatchTruncated,
    /// The request waits before it is sent on.
    Delay,
}

impl Fault {
    pub const ALL: [Fault; 12] = [
        Fault::Conflict,
        Fault::Gone,
        Fault::GoneEvent,
        Fault::TooMany,
        Fault::Failed,
        Fault::FailedAfter,
        Fault::Unavailable,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Truncated,
        Fault::WatchTruncated,
        Fault::Delay,
    ];
}

const TO_WATCHES: [Fault; 8] = [
    Fault::WatchTruncated,
    Fault::GoneEvent,
    Fault::Gone,
    Fault::TooMany,
    Fault::Failed,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Delay,
];
const TO_READS: [Fault; 7] = [
    Fault::TooMany,
    Fault::Failed,
    Fault::Unavailable,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Truncated,
    Fault::Delay,
];
const TO_WRITES: [Fault; 9] = [
    Fault::Conflict,
    Fault::TooMany,
    Fault::Failed,
    Fault::FailedAfter,
    Fault::Unavailable,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Truncated,
    Fault::Delay,
];
/// Objects whose writing may go wrong for long: whoever writes them comes back by himself.
const LONG: [&str; 5] = [
    "/deployments/",
    "/statefulsets/",
    "/services/",
    "/configmaps/",
    "/jobs/",
];

/// How often in a row the same request may fail.
const IN_A_ROW: u32 = 7;

/// What is asked of a server by the way (reviews), or sent to a program: refused or held up, and never done twice.
const TO_OTHERS: [Fault; 2] = [Fault::TooMany, Fault::Delay];

#[derive(Debug)]
pub(super) struct Fates {
    seed: u64,
    percent: u32,
    /// How often requests came that differ in nothing but ids.
    times: HashMap<String, u64>,
    /// How much more bad luck a request has before it has good luck.
    left: HashMap<String, u32>,
    arranged: Vec<Arranged>,
}

/// What a test wants to become of some requests.
#[derive(Debug)]
struct Arranged {
    method: String,
    part: String,
    fault: Fault,
    left: u32,
}

/// What is to become of a request, with a number to choose places and times by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) fault: Option<Fault>,
    pub(super) number: u64,
}

impl Fates {
    pub(super) fn new(seed: u64, percent: u32) -> Fates {
        let (times, left, arranged) = (HashMap::new(), HashMap::new(), Vec::new());
        Fates {
            seed,
            percent,
            times,
            left,
            arranged,
        }
    }

    pub(super) fn arrange(&mut self, method: &str, part: &str, fault: Fault, times: u32) {
        let (method, part) = (method.to_owned(), part.to_owned());
        self.arranged.push(Arranged {
            method,
            part,
            fault,
            left: times,
        });
    }

    pub(super) fn forget(&mut self) {
        self.arranged.clear();
    }

    pub(super) fn arranged_left(&self) -> u32 {
        self.arranged.iter().map(|one| one.left).sum()
    }

    /// `opens`: whether it becomes another connection.
    pub(super) fn next(&mut self, method: &str, url: &str, opens: bool) -> Fate {
        let is_watch = url.contains("watch=true") || url.contains("watch=1");
        let (path, _) = url.split_once('?').unwrap_or((url, ""));
        let key = format!("{method} {} {is_watch}", without_chance(path));
        let times = self.times.entry(key.clone()).or_default();
        *times += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, &key, *times).hash(&mut hasher);
        let number = hasher.finish();
        let wanted =
            |one: &&mut Arranged| one.left > 0 && one.method == method && url.contains(&one.part);
        if let Some(one) = self.arranged.iter_mut().find(wanted) {
            one.left -= 1;
            return Fate {
                fault: Some(one.fault),
                number,
            };
        }
        let kinds: &[Fault] = if opens || path.ends_with("/log") || path.contains("reviews") {
            &TO_OTHERS
        } else if is_watch {
            &TO_WATCHES
        } else if method == "GET" {
            &TO_READS
        } else {
            &TO_WRITES
        };
        let fault = kinds[(number / 1000) as usize % kinds.len()];
        let request = format!("{method} {path} {is_watch}");
        let left = self.left.get(&request).copied();
        // Watches are few and last long.
        let percent = if is_watch { 50 } else { self.percent };
        let is_bad = match left {
            Some(left) => left > 0,
            None => number % 100 < u64::from(percent),
        };
        if !is_bad {
            self.left.remove(&request);
            return Fate {
                fault: None,
                number,
            };
        }
        // Some writes go wrong for longer than anybody asks again at once.
        let is_long = (number / 100).is_multiple_of(6)
            && matches!(method, "PATCH" | "DELETE")
            && LONG.iter().any(|kind| path.contains(kind));
        let left = left.unwrap_or(if is_long {
            IN_A_ROW
        } else {
            1 + (number / 100 % 2) as u32
        }) - 1;
        self.left.insert(request, left);
        Fate {
            fault: Some(fault),
            number: number / 10_000,
        }
    }
}

/// A path without what is another in each run: ids, and names that have them.
fn without_chance(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let is_of_id = |c: char| c.is_ascii_hexdigit() || c == '-';
        let end = rest.find(|c| !is_of_id(c)).unwrap_or(rest.len());
        let (id, after) = rest.split_at(end);
        let has_digits = id.chars().filter(char::is_ascii_digit).count() >= 3;
        out.push_str(if has_digits { "*" } else { id });
        let mut chars = after.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Fates, without_chance};

    #[test]
    fn a_request_has_the_same_fate_again_and_its_bad_luck_ends() {
        let fates = |seed| {
            let mut fates = Fates::new(seed, 60);
            let all =
                (0..200).map(|_| fates.next("PATCH", "/api/v1/namespaces/a/services/web", false));
            all.map(|fate| fate.fault).collect::<Vec<_>>()
        };
        let one = fates(1);
        assert_eq!(one, fates(1));
        assert_ne!(one, fates(2));
        let most = super::IN_A_ROW as usize + 1;
        assert!(
            one.windows(most)
                .all(|some| some.iter().any(Option::is_none)),
            "{one:?}"
        );
    }

    #[test]
    fn ids_of_one_run_do_not_count() {
        let path =
            "/api/v1/namespaces/pluvio-0199ab23/secrets/stage-01936b2a-0000-7000-8000-0000aaaa0001";
        assert_eq!(
            without_chance(path),
            "/api/v1/namespaces/pluvio*/secrets/stag*"
        );
    }
}
