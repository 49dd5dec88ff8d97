//! A disk that is full: writers are refused and reads go on, until there is room again.

use std::fs;
use std::time::Duration;

use crate::harness::{Server, await_true};

const REFUSED: &str = "-MISCONF Errors writing to the AOF file: File too large";

#[test]
fn writers_are_refused_and_reads_go_on_until_there_is_room() {
    for policy in ["everysec", "always", "no"] {
        let mut server = Server::millstream(&["--appendfsync", policy]);
        let mut client = server.client();
        client.check("XADD s 1-1 a b", "\"1-1\"");
        client.check("XGROUP CREATE s g 0", "OK");
        client.check("SET short v PX 300", "OK");
        let mut reader = server.client();
        let mut blocked = server.client();
        blocked.send("XREAD BLOCK 0 STREAMS s $");
        let size = fs::metadata(server.log_file()).unwrap().len();
        server.limit_file_size(Some(size + 50));

        // It was not acknowledged, and nothing else tells of it.
        client.send("XADD s 2-1 a a-value-that-is-longer-than-what-is-left-of-the-disk");
        assert!(client.is_closed(), "{policy}");
        let mut client = server.client();
        for refused in ["XADD s 3-1 a b", "XACK s g 1-1", "XREADGROUP GROUP g c STREAMS s >", "SET k v"] {
            client.check(refused, REFUSED);
        }
        // Those who read see what is in memory, by an old connection and by a new one.
        for reader in [&mut reader, &mut client] {
            reader.check("XLEN s", "2");
            reader.check("XRANGE s - + COUNT 1", "[[\"1-1\", [\"a\", \"b\"]]]");
            reader.check("PING", "PONG");
        }
        await_true("the key's expiry", || reader.call("EXISTS short").integer() == 0);
        let info = client.call("INFO persistence").to_string();
        for line in ["aof_last_write_status:err", "File too large", "aof_last_write_error_is_final:0"] {
            assert!(info.contains(line), "{policy}: {line}: {info}");
        }
        let refusal = client.call("BGREWRITEAOF");
        assert!(refusal.is_error(), "{policy}: {refusal}");
        // It stays so while there is no room.
        std::thread::sleep(Duration::from_millis(1200));
        client.check("XADD s 3-1 a b", REFUSED);

        server.limit_file_size(None);
        await_true("the way back", || !client.call("XADD s 3-* a b").is_error());
        let info = client.call("INFO persistence").to_string();
        assert!(
            info.contains("aof_last_write_status:ok") && !info.contains("aof_last_write_error"),
            "{info}"
        );
        assert!(server.output().contains("can be written again"), "{}", server.output());
        // What was not acknowledged came to be there after all; what was, is.
        let before = client.call("XRANGE s - +").to_string();
        server.kill();
        server.restart();
        let mut client = server.client();
        assert_eq!(client.call("XRANGE s - +").to_string(), before);
        client.check("XLEN s", "3");
        client.check("EXISTS short", "0");
        client.check("BGREWRITEAOF", "Background append only file rewriting started");
    }
}
