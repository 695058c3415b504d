//! Users and groups that an image knows by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an image's `/etc/passwd` and `/etc/group` say. Of entries with one name the first counts, as for the C library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// The user's number, and that of its group.
    pub users: BTreeMap<String, (u32, u32)>,
    pub groups: BTreeMap<String, u32>,
}

/// Lines of each file that are read: no image has as many users.
const MOST: usize = 10_000;

impl Accounts {
    /// Reads the two files; a line that is none of an account is left out. (Source: passwd(5), group(5).)
    pub fn parse(passwd: &str, group: &str) -> Accounts {
        let mut accounts = Accounts::default();
        for line in passwd.lines().take(MOST) {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(user), Some(group)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if let (Ok(user), Ok(group)) = (user.trim().parse(), group.trim().parse()) {
                let known = accounts.users.entry(name.trim().to_owned());
                known.or_insert((user, group));
            }
        }
        for line in group.lines().take(MOST) {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(group)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if let Ok(group) = group.trim().parse() {
                let known = accounts.groups.entry(name.trim().to_owned());
                known.or_insert(group);
            }
        }
        accounts
    }

    /// `UID:GID` of `app`, `app:staff`, `1000:staff`; `None` where a name is not known. A user by number is in the group that is
    /// told, or its own by the same table, else 0, as with container engines.
    pub fn numbers(&self, user: &str) -> Option<String> {
        let (user, group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        let (user, own) = match user.parse::<u32>() {
            Ok(number) => {
                let mut same = self.users.values().filter(|(one, _)| *one == number);
                (number, same.next().map_or(0, |(_, group)| *group))
            }
            // Also where there is no table.
            Err(_) => match self.users.get(user) {
                None if user == "root" => (0, 0),
                known => *known?,
            },
        };
        let group = match group.filter(|group| !group.is_empty()) {
            None => own,
            Some(group) => match group.parse() {
                Ok(number) => number,
                Err(_) => match self.groups.get(group) {
                    None if group == "root" => 0,
                    known => *known?,
                },
            },
        };
        Some(format!("{user}:{group}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_image() {
        let accounts = Accounts::parse(
            "root:x:0:0:root:/root:/bin/sh\n# a comment\napp:x:1001:1002::/home/app:/bin/sh\napp:x:7:7::/:\n\nbroken:x:a:b\n",
            "root:x:0:\nstaff:x:50:app\napp:x:1002:\n",
        );
        for (user, numbers) in [
            ("root", Some("0:0")),
            ("app", Some("1001:1002")),
            ("app:staff", Some("1001:50")),
            ("app:7", Some("1001:7")),
            ("app:", Some("1001:1002")),
            ("1001", Some("1001:1002")),
            ("1001:staff", Some("1001:50")),
            ("4711", Some("4711:0")),
            ("nobody", None),
            ("app:nobody", None),
            ("broken", None),
        ] {
            assert_eq!(accounts.numbers(user).as_deref(), numbers, "{user}");
        }
        let none = Accounts::default();
        assert_eq!(none.numbers("root:root").as_deref(), Some("0:0"));
        assert_eq!(none.numbers("app"), None);
    }
}
