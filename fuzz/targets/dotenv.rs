#![no_main]

#[path = "../../crates/formats/tests/targets/mod.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::dotenv_file(bytes));
