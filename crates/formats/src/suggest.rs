//! "Did you mean …".

/// The nearest of the candidates, when it is near enough to be what was meant: at most a third of the letters differ.
/// Case, dashes and underscores cost nothing (`stop_signal` is `stopSignal`).
pub(crate) fn nearest<'c>(
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|c| !matches!(c, '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(text);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(wanted.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        // A single letter is near to every other.
        .filter(|(distance, candidate)| *distance < candidate.len().min(wanted.len()).max(1))
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace, swap two neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not() {
        let keys = ["ports", "env", "image", "stopSignal", "volumes"];
        for (text, want) in [
            ("prots", Some("ports")),
            ("port", Some("ports")),
            ("stop_signal", Some("stopSignal")),
            ("Image", Some("image")),
            ("volume", Some("volumes")),
            ("evn", Some("env")),
            ("e", None),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, keys), want, "{text}");
        }
    }
}
