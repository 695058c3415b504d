//! Users of a database.

use pluvio_model::database::{DatabaseUser, UserRights};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::DatabaseEngine;
use pluvio_plan::database::{
    UserChange, check_user_name, list_users, read_users, statements, users_program,
};
use pluvio_store::Application;

use super::Inside;
use crate::Control;

impl Control {
    pub async fn database_users(
        &self,
        application: &Application,
        inside: &Inside,
    ) -> Result<Vec<DatabaseUser>, Problem> {
        let engine = inside.database.engine;
        let (own, _) = inside.identity();
        if engine == DatabaseEngine::Redis {
            inside.running()?;
            return Ok(vec![DatabaseUser {
                name: own,
                rights: UserRights::Owner,
                own: true,
            }]);
        }
        let program = users_program(engine);
        let said = self
            .run_inside(application, inside, &program, list_users(engine))
            .await?;
        if said.code != 0 {
            return Err(inside.failed("Its users cannot be listed", &said));
        }
        Ok(read_users(&said.out, &own))
    }

    /// Makes a user; its password is told once and kept nowhere.
    pub async fn create_database_user(
        &self,
        application: &Application,
        inside: &Inside,
        name: &str,
        rights: UserRights,
    ) -> Result<String, Problem> {
        self.look_up(application, inside, name, false).await?;
        let password = pluvio_store::generated(32)?;
        let change = UserChange::Create {
            rights,
            password: password.clone(),
        };
        self.change(application, inside, name, &change).await?;
        Ok(password)
    }

    pub async fn change_database_user(
        &self,
        application: &Application,
        inside: &Inside,
        name: &str,
        rights: UserRights,
    ) -> Result<(), Problem> {
        self.look_up(application, inside, name, true).await?;
        let change = UserChange::Rights(rights);
        self.change(application, inside, name, &change).await
    }

    pub async fn remove_database_user(
        &self,
        application: &Application,
        inside: &Inside,
        name: &str,
    ) -> Result<(), Problem> {
        self.look_up(application, inside, name, true).await?;
        self.change(application, inside, name, &UserChange::Remove)
            .await
    }

    /// Refuses a name that cannot be, one that is taken or is not there, and the application's own.
    async fn look_up(
        &self,
        application: &Application,
        inside: &Inside,
        name: &str,
        there: bool,
    ) -> Result<(), Problem> {
        check_user_name(inside.database.engine, name)?;
        let (own, _) = inside.identity();
        if name == own {
            return Err(problem::REFUSED.problem(
                format!("{name} is the application's own user of {}.", inside.name),
                "Leave it as it is; `pluvio secret set` changes its password.",
            ));
        }
        let users = self.database_users(application, inside).await?;
        let found = users.iter().any(|user| user.name == name);
        match (found, there) {
            (true, false) => Err(problem::NAME_TAKEN.problem(
                format!("{} has a user called {name}.", inside.name),
                "Choose another name, or remove the one there is.",
            )),
            (false, true) => {
                let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
                Err(problem::NOT_FOUND.problem(
                    format!("{} has no user called {name}.", inside.name),
                    format!("Its users are: {}.", names.join(", ")),
                ))
            }
            _ => Ok(()),
        }
    }

    async fn change(
        &self,
        application: &Application,
        inside: &Inside,
        name: &str,
        change: &UserChange,
    ) -> Result<(), Problem> {
        let engine = inside.database.engine;
        let (own, database) = inside.identity();
        let text = statements(engine, (&own, &database), name, change);
        let mut said = self
            .run_inside(application, inside, &users_program(engine), &text)
            .await?;
        if said.code == 0 {
            return Ok(());
        }
        if let UserChange::Create { password, .. } = change {
            // An error may quote the statement.
            said.err = said.err.replace(password, "***");
            said.out = said.out.replace(password, "***");
        }
        Err(inside.failed("The user was not changed", &said))
    }
}
