//! Databases beside their life as components: backups that are kept, by hand and by the clock; putting one back; users and
//! figures. All of it is done by programs in the database's own container ([`inside`]), so that no password leaves it.
//!
//! A backup is an operation with a leased job ([`worker`]). Its row is there before its file, and is `kept` only after the
//! whole file was read again ([`keep`]): what is cut off anywhere is begun anew, or told as failed, and never listed as good.

mod address;
mod asks;
pub(crate) mod clock;
mod figures;
pub(crate) mod inside;
mod keep;
mod users;
pub(crate) mod worker;

pub use asks::BackedUp;
pub use asks::{RestoreAsk, parameters_of};
pub(crate) use figures::Looks;
pub use inside::Inside;
