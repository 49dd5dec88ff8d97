//! See `millstream_fuzz::read_rdb_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millstream_fuzz::read_rdb_files(data));
