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
    let mut numbers: Vec<Vec<u8>> = Vec::new();
    for (field, (what, least, most, names)) in fields.iter().zip(ranges) {
        let mut all = Vec::new();
        for item in field.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let every = match step.map(str::parse::<u8>) {
                None => 1,
                Some(Ok(every)) if every > 0 => every,
                Some(_) => return Err(format!("`{item}` is no step of the {what}")),
            };
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
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (least, most),
                Some((from, to)) => (number(from)?, number(to)?),
                None if step.is_some() => (number(range)?, most),
                None => (number(range)?, number(range)?),
            };
            if from > to {
                return Err(format!("`{range}` ends before it begins"));
            }
            all.extend((from..=to).step_by(usize::from(every)));
        }
        numbers.push(all);
    }
    // A day of the week is another way to fire.
    if fields[4] == "*" && has_no_day(&numbers[2], &numbers[3]) {
        return Err("it never fires, for no month in it has such a day".to_owned());
    }
    Ok(())
}

fn has_no_day(days: &[u8], months: &[u8]) -> bool {
    let length = |month: &u8| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    days.iter().copied().min() > months.iter().map(length).max()
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
            "0 0 29 2 *",
            "0 0 31 2,3 *",
            "0 0 30 2 mon",
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
                "0 0 30 feb *",
                "it never fires, for no month in it has such a day",
            ),
            (
                "0 0 31 4-6/2,11 *",
                "it never fires, for no month in it has such a day",
            ),
            (
                "@often",
                "what follows @ is hourly, daily, weekly, monthly or yearly",
            ),
        ] {
            assert_eq!(super::check(bad), Err(why.to_owned()), "{bad}");
        }
    }
}
