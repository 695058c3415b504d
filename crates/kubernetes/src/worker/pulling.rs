//! With what a namespace's images are pulled: it is the environment's, whose applications share it.

use pluvio_model::problem::Problem;
use pluvio_model::stage::{RunWish, Wish};
use pluvio_plan::lower::kubernetes::Options;

use super::Worker;
use crate::book::Book;
use crate::failure::of_object;
use crate::pull;

impl Worker {
    /// Once there is a namespace, and again now and then: what is pulled with may have been made anew.
    pub(super) async fn bring_pull(
        &mut self,
        wish: &RunWish,
        options: &Options,
    ) -> Result<(), Box<Problem>> {
        self.is_pulling = true;
        let Some(pulls) = self.shared.config.pulls.clone() else {
            return Ok(());
        };
        let client = &self.shared.client;
        let (team, home) = (&wish.release.team, &self.shared.config.namespace);
        let brought = pull::bring(client, &*pulls, team, &options.namespace, home).await;
        brought.map(drop).map_err(|error| {
            self.is_pulling = false;
            Box::new(of_object("the Secret with which images are pulled", &error))
        })
    }

    /// Once the last application has left the namespace, nothing is pulled there any more.
    pub(super) async fn end_pull(&mut self) -> Result<(), Box<Problem>> {
        let namespace = self.book().notes.namespace.clone();
        if namespace.is_empty() {
            return Ok(());
        }
        let books = self.shared.shelf.all().await;
        let books = books.map_err(|error| of_object("the kept stages", &error))?;
        let is_there = |book: &Book| match &book.stage.wish {
            Wish::Run(wish) => self.shared.options(wish).namespace == namespace,
            Wish::Gone => false,
        };
        if books.iter().any(is_there) {
            return Ok(());
        }
        self.is_pulling = false;
        let home = &self.shared.config.namespace;
        let ended = pull::end(&self.shared.client, &namespace, home).await;
        ended
            .map_err(|error| Box::new(of_object("the Secret with which images are pulled", &error)))
    }
}
