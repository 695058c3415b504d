//! Schedules: five fields of cron.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// `Err` says what is wrong. Lists, ranges, steps and the names of months and days are known, `@daily` and the like too.
pub(super) fn check(text: &str) -> Result<(), String> {
    if let Some(word) = text.strip_prefix('@') {
        return match word {
            "hourly" | "daily" | "midnight" | "weekly" | "monthly" | "yearly" | "annually" => {
                Ok(())
            }
            _ => Err("what follows @ is hourly, daily, weekly, monthly or yearly".to_owned()),
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!("it has {} fields instead of five", fields.len()));
    }
    let ranges: [(&str, u8, u8, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day", 1, 31, &[]),
        ("month", 1, 12, &MONTHS),
        ("weekday", 0, 7, &DAYS),
    ];
    for (field, (what, least, most, names)) in fields.iter().zip(ranges) {
        for item in field.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            if step.is_some_and(|step| !step.parse::<u8>().is_ok_and(|step| step > 0)) {
                return Err(format!("`{item}` is no step of the {what}"));
            }
            if range == "*" {
                continue;
            }
            let number = |text: &str| -> Result<u8, String> {
                let named = names
                    .iter()
                    .position(|name| name.eq_ignore_ascii_case(text))
                    .map(|index| index as u8 + least);
                named
                    .or_else(|| text.parse().ok())
                    .filter(|number| (least..=most).contains(number))
                    .ok_or_else(|| format!("`{text}` is no {what} from {least} to {most}"))
            };
            match range.split_once('-') {
                Some((from, to)) => {
                    if number(from)? > number(to)? {
                        return Err(format!("`{range}` ends before it begins"));
                    }
                }
                None => {
                    number(range)?;
                }
            }
        }
    }
    Ok(())
}

/// The form of a name in the time zone database; which names exist, only a machine's copy of it knows.
pub(super) fn looks_like_zone(zone: &str) -> bool {
    !zone.is_empty()
        && zone.len() <= 64
        && zone.starts_with(|c: char| c.is_ascii_uppercase())
        && zone.split('/').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn schedules_are_checked_field_by_field() {
        for good in [
            "0 3 * * *",
            "*/5 0-6,22 1 jan-mar MON",
            "0 0 * * 7",
            "@daily",
        ] {
            assert_eq!(super::check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("0 3 * *", "it has 4 fields instead of five"),
            ("60 * * * *", "`60` is no minute from 0 to 59"),
            ("* * 0 * *", "`0` is no day from 1 to 31"),
            ("*/0 * * * *", "`*/0` is no step of the minute"),
            ("5-1 * * * *", "`5-1` ends before it begins"),
            (
                "@often",
                "what follows @ is hourly, daily, weekly, monthly or yearly",
            ),
        ] {
            assert_eq!(super::check(bad), Err(why.to_owned()), "{bad}");
        }
    }
}
