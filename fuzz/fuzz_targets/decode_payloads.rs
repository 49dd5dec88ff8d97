//! See `millstream_fuzz::decode_payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millstream_fuzz::decode_payloads(data));
