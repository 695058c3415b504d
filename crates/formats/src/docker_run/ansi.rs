//! `$'…'`, in which shells know escapes: `\n`, `\x1c`, `\u00e9`.

use std::iter::Peekable;
use std::str::Chars;

/// What such a quote says, and how many lines it goes on for; the letters begin behind its first `'` and then stand behind its
/// last. Nothing where it is not closed.
pub(super) fn quoted(letters: &mut Peekable<Chars>) -> Option<(String, u32)> {
    // Bytes, for `\xc3\xa9` is one letter.
    let mut out: Vec<u8> = Vec::new();
    let mut lines = 0;
    loop {
        let c = match letters.next()? {
            '\'' => break,
            '\\' => match escape(letters, &mut out) {
                Some(c) => c,
                None => continue,
            },
            c => c,
        };
        lines += u32::from(c == '\n');
        push(c, &mut out);
    }
    // Shells end the text at a zero.
    let end = out.iter().position(|byte| *byte == 0);
    out.truncate(end.unwrap_or(out.len()));
    Some((String::from_utf8_lossy(&out).into_owned(), lines))
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Puts in what stands behind a `\`. Gives back a letter that is none of an escape's.
fn escape(letters: &mut Peekable<Chars>, out: &mut Vec<u8>) -> Option<char> {
    let c = letters.next()?;
    match c {
        'n' => out.push(b'\n'),
        't' => out.push(b'\t'),
        'r' => out.push(b'\r'),
        'a' => out.push(7),
        'b' => out.push(8),
        'v' => out.push(11),
        'f' => out.push(12),
        'e' | 'E' => out.push(27),
        '\\' | '\'' | '"' | '?' => push(c, out),
        'c' if letters.peek().is_some_and(char::is_ascii) => {
            let control = letters.next().unwrap_or_default();
            out.push(control as u8 & 0x1f);
        }
        '0'..='7' => {
            let first = c.to_digit(8).unwrap_or_default();
            let value = digits(letters, 8, 2, first).unwrap_or(first);
            out.push((value & 0xff) as u8);
        }
        'x' | 'u' | 'U' => {
            let most = match c {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            match digits(letters, 16, most, 0) {
                Some(value) if c == 'x' => out.push((value & 0xff) as u8),
                Some(value) => push(
                    char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER),
                    out,
                ),
                None => {
                    out.push(b'\\');
                    push(c, out);
                }
            }
        }
        c => {
            out.push(b'\\');
            return Some(c);
        }
    }
    None
}

/// A number that goes on from `value`; nothing where no digit stands there.
fn digits(letters: &mut Peekable<Chars>, radix: u32, most: usize, value: u32) -> Option<u32> {
    let mut found = None;
    for _ in 0..most {
        let Some(digit) = letters.peek().and_then(|c| c.to_digit(radix)) else {
            break;
        };
        letters.next();
        let before = found.unwrap_or(value);
        found = Some(before.wrapping_mul(radix).wrapping_add(digit));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_shells_read_them() {
        for (text, want) in [
            ("a'", "a"),
            (r"\n\t\\\'\e'", "\n\t\\'\u{1b}"),
            (r"\x1c\x1'", "\u{1c}\u{1}"),
            (r"\xc3\xa9\u00e9\U1f600'", "\u{e9}\u{e9}\u{1f600}"),
            (r"\101\7\060'", "A\u{7}0"),
            (r"\cA\q\xg'", "\u{1}\\q\\xg"),
            (r"a\0b'", "a"),
        ] {
            let mut letters = text.chars().peekable();
            let read = quoted(&mut letters);
            assert_eq!(read, Some((want.to_owned(), 0)), "{text}");
            assert_eq!(letters.next(), None);
        }
        assert_eq!(quoted(&mut r"never\'".chars().peekable()), None);
        let mut letters = "a\nb' c".chars().peekable();
        assert_eq!(quoted(&mut letters), Some(("a\nb".to_owned(), 1)));
        assert_eq!(letters.collect::<String>(), " c");
    }
}
