//! Reading rows into model types, and writing model types into columns.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::{Result, StoreError};

/// A column of some type; what cannot be read is corrupt, by the column's name.
pub(crate) trait Columns {
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>>;
    fn maybe_number(&self, column: &'static str) -> Result<Option<i64>>;
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>>;

    fn text(&self, column: &'static str) -> Result<String> {
        self.maybe_text(column)?.ok_or_else(|| empty(column))
    }
    fn number(&self, column: &'static str) -> Result<i64> {
        self.maybe_number(column)?.ok_or_else(|| empty(column))
    }
    fn count(&self, column: &'static str) -> Result<u64> {
        self.number(column).map(|number| number.max(0) as u64)
    }
    fn maybe_count(&self, column: &'static str) -> Result<Option<u64>> {
        let number = self.maybe_number(column)?;
        Ok(number.map(|number| number.max(0) as u64))
    }
    fn flag(&self, column: &'static str) -> Result<bool> {
        self.number(column).map(|number| number != 0)
    }
    fn time(&self, column: &'static str) -> Result<Timestamp> {
        timestamp(column, self.number(column)?)
    }
    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let number = self.maybe_number(column)?;
        number.map(|number| timestamp(column, number)).transpose()
    }
    /// An id, a name: anything whose text form is its only form.
    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, column: &'static str) -> Result<T> {
        parse(column, &self.text(column)?)
    }
    fn maybe_parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>> {
        let text = self.maybe_text(column)?;
        text.map(|text| parse(column, &text)).transpose()
    }
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|error| corrupt(column, error))
    }
    /// An enum that is written as one word.
    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let word = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(word).map_err(|error| corrupt(column, error))
    }
}

impl Columns for AnyRow {
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>> {
        self.try_get(column).map_err(|error| corrupt(column, error))
    }
    fn maybe_number(&self, column: &'static str) -> Result<Option<i64>> {
        self.try_get(column).map_err(|error| corrupt(column, error))
    }
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>> {
        self.try_get(column).map_err(|error| corrupt(column, error))
    }
}

fn corrupt(column: &'static str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: column,
        why: error.to_string(),
    }
}

fn empty(column: &'static str) -> StoreError {
    corrupt(column, "there is no value")
}

fn timestamp(column: &'static str, milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| corrupt(column, error))
}

fn parse<T: FromStr<Err: std::fmt::Display>>(column: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|error| corrupt(column, error))
}

/// A value as the JSON text of a column.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("model types serialise")
}

/// An enum without data as its one word.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("not a word: {other:?}"),
    }
}

/// A new id: UUIDv7, so that ids sort in the order of making.
pub(crate) fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
