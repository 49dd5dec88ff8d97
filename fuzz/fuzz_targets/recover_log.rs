//! See `millstream_fuzz::recover_log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millstream_fuzz::recover_log(data));
