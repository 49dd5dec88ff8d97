//! See `millstream_fuzz::execute_commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millstream_fuzz::execute_commands(data));
