//! Users of a database.

use clap::Subcommand;
use pluvio_api::applications::Page;
use pluvio_api::databases::{RightsRequest, UserMade, UserRequest};
use pluvio_model::database::{DatabaseUser, UserRights};
use pluvio_model::problem::{self, Problem};

use super::Done;
use super::backups::path;
use crate::context::{Context, escape};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    List {
        component: String,
    },
    /// Make a user; its password is printed once and kept nowhere
    Create {
        component: String,
        name: String,
        /// read-only, read-write, owner
        #[arg(long, default_value = "read-only")]
        rights: String,
    },
    /// Give a user other rights
    Set {
        component: String,
        name: String,
        /// read-only, read-write, owner
        #[arg(long)]
        rights: String,
    },
    Remove {
        component: String,
        name: String,
        /// Its name, to be sure
        #[arg(long)]
        confirm: String,
    },
}

fn rights(text: &str) -> Result<UserRights, Problem> {
    match text {
        "read-only" => Ok(UserRights::ReadOnly),
        "read-write" => Ok(UserRights::ReadWrite),
        "owner" => Ok(UserRights::Owner),
        _ => Err(problem::REQUEST_INVALID.problem(
            format!("{text:?} are no rights."),
            "Write read-only, read-write or owner.",
        )),
    }
}

pub(super) async fn run(context: &Context, command: &UserCommand) -> Done {
    let client = context.client()?;
    match command {
        UserCommand::List { component } => {
            let from = format!("{}/users", path(context, component)?);
            let users: Page<DatabaseUser> = client.get(&from).await?;
            if context.out.json {
                context.out.document(&users.items);
                return Ok(());
            }
            let row = |user: &DatabaseUser| {
                let note = if user.own {
                    "the application's own"
                } else {
                    ""
                };
                vec![
                    user.name.clone(),
                    user.rights.as_str().to_owned(),
                    note.to_owned(),
                ]
            };
            let rows: Vec<Vec<String>> = users.items.iter().map(row).collect();
            context.out.table(&["USER", "RIGHTS", ""], &rows);
        }
        UserCommand::Create {
            component,
            name,
            rights: wanted,
        } => {
            let to = format!("{}/users", path(context, component)?);
            let request = UserRequest {
                name: name.clone(),
                rights: rights(wanted)?,
            };
            let made: UserMade = client.post(&to, &request).await?;
            match context.out.json {
                true => context.out.document(&made),
                false => {
                    context.out.line(&made.url);
                    context
                        .out
                        .say("Note it now: the password is kept nowhere.");
                }
            }
        }
        UserCommand::Set {
            component,
            name,
            rights: wanted,
        } => {
            let to = format!("{}/users/{}", path(context, component)?, escape(name));
            let request = RightsRequest {
                rights: rights(wanted)?,
            };
            let () = client.call(http::Method::PUT, &to, Some(&request)).await?;
            if !context.out.json {
                context.out.say(format!("{name} is {wanted}."));
            }
        }
        UserCommand::Remove {
            component,
            name,
            confirm,
        } => {
            let which = format!(
                "{}/users/{}?confirm={}",
                path(context, component)?,
                escape(name),
                escape(confirm)
            );
            let () = client.delete(&which).await?;
            if !context.out.json {
                context.out.say(format!("{name} is gone."));
            }
        }
    }
    Ok(())
}
