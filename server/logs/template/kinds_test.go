package template

import "testing"

// kinds are lines as real systems write them: those of a group have one template, and no other group has it.
var kinds = map[string][]string{
	"sshd failed": {
		"Failed password for root from 183.62.140.253 port 60952 ssh2",
		"Failed password for root from 10.1.2.3 port 22 ssh2",
	},
	"sshd invalid": {
		"Invalid user admin from 173.234.31.186",
		"Invalid user admin from 5.188.10.180",
	},
	"hdfs received": {
		"Received block blk_-1608999687919862906 of size 91178 from /10.250.10.6",
		"Received block blk_7503483334202473044 of size 233217 from /10.251.215.16",
	},
	"hdfs serving": {
		"10.250.11.85:50010 Served block blk_2377150260128098806 to /10.251.73.220",
		"10.251.90.64:50010 Served block blk_-3544583377289625738 to /10.250.19.102",
	},
	"zookeeper session": {
		"Accepted socket connection from /10.10.34.11:45307",
		"Accepted socket connection from /10.10.34.13:33442",
	},
	"zookeeper closed": {
		"Closed socket connection for client /10.10.34.11:45307 which had sessionid 0x14ed93111f20057",
		"Closed socket connection for client /10.10.34.12:1 which had sessionid 0x24f05578bd80006",
	},
	"postgres deadlock": {
		"deadlock detected: Process 4711 waits for ShareLock on transaction 12345; blocked by process 4712.",
		"deadlock detected: Process 1 waits for ShareLock on transaction 9; blocked by process 77.",
	},
	"postgres slow": {
		`duration: 1234.567 ms  statement: SELECT * FROM orders WHERE id = '17'`,
		`duration: 2.1 ms  statement: SELECT * FROM orders WHERE id = '4711'`,
	},
	"postgres connections": {
		`FATAL:  remaining connection slots are reserved for non-replication superuser connections`,
	},
	"redis save": {
		"10 changes in 300 seconds. Saving...",
		"1 changes in 900 seconds. Saving...",
	},
	"redis oom": {
		"OOM command not allowed when used memory > 'maxmemory'.",
	},
	"kafka rebalance": {
		"[GroupCoordinator 1]: Preparing to rebalance group shop-orders in state PreparingRebalance with old generation 12 (__consumer_offsets-33)",
		"[GroupCoordinator 3]: Preparing to rebalance group shop-orders in state PreparingRebalance with old generation 4 (__consumer_offsets-7)",
	},
	"nginx upstream": {
		`2026/11/21 10:11:12 [error] 29#29: *1734 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: shop, request: "GET /a HTTP/1.1", upstream: "http://10.0.0.9:80/a", host: "shop"`,
		`2026/11/21 23:59:59 [error] 7#7: *2 connect() failed (111: Connection refused) while connecting to upstream, client: 2001:db8::1, server: shop, request: "POST /b/c HTTP/2.0", upstream: "http://10.0.0.8:8080/b", host: "x"`,
	},
	"kubelet backoff": {
		`Back-off restarting failed container=shop pod=shop-7d9f8b6c5-xkzvw_prod(0f3c2a1e-9b8d-4c7e-a1b2-c3d4e5f60718)`,
		`Back-off restarting failed container=cart pod=cart-5c4b7d9f88-2x4zq_prod(11111111-2222-4333-8444-555555555555)`,
	},
	"kubelet probe": {
		`Readiness probe failed: Get "http://10.42.0.17:8080/readyz": dial tcp 10.42.0.17:8080: connect: connection refused`,
		`Readiness probe failed: Get "http://10.42.3.9:80/healthz": dial tcp 10.42.3.9:80: connect: connection refused`,
	},
	"kernel oom": {
		"Out of memory: Killed process 31337 (java) total-vm:8123456kB, anon-rss:4012345kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:8796kB oom_score_adj:0",
		"Out of memory: Killed process 17 (java) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, UID:0 pgtables:5kB oom_score_adj:-997",
	},
	"java null": {
		"java.lang.NullPointerException: Cannot invoke \"Order.getId()\" because \"order\" is null\n\tat shop.Orders.load(Orders.java:17)\n\tat shop.Main.main(Main.java:3)",
		"java.lang.NullPointerException: Cannot invoke \"User.name()\" because \"this.user\" is null\n\tat shop.Users.load(Users.java:99)",
	},
	"java timeout": {
		"java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 5000ms in 'flatMap' (and no fallback has been configured)",
		"java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 200ms in 'map' (and no fallback has been configured)",
	},
	"go panic": {
		"panic: runtime error: index out of range [7]\n\ngoroutine 17 [running]:\nmain.main()",
		"panic: runtime error: index out of range [-1]",
	},
	"go deadline": {
		`rpc error: code = DeadlineExceeded desc = context deadline exceeded after 1.5s`,
		`rpc error: code = DeadlineExceeded desc = context deadline exceeded after 250ms`,
	},
	"go unavailable": {
		`rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.1:443: i/o timeout"`,
		`rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp: lookup shop on 10.0.0.10:53: no such host"`,
	},
	"python key": {
		"Traceback (most recent call last):\n  File \"/app/x.py\", line 12, in f\n    return d['a']\nKeyError: 'a'",
		"Traceback (most recent call last):\n  File \"/app/y.py\", line 7, in g\n    return e['b']\nKeyError: 'b'\n",
	},
	"python value": {
		"Traceback (most recent call last):\n  File \"/app/x.py\", line 12, in f\nValueError: invalid literal for int() with base 10: 'abc'",
	},
	"node refused": {
		"Error: connect ECONNREFUSED 127.0.0.1:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16)",
		"Error: connect ECONNREFUSED ::1:6379\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1495:16)",
	},
	"node undefined": {
		"TypeError: Cannot read properties of undefined (reading 'id')\n    at /app/server.js:10:5",
		"TypeError: Cannot read properties of undefined (reading 'name')",
	},
	"rails": {
		"Completed 500 Internal Server Error in 125ms (ActiveRecord: 12.5ms | Allocations: 4711)",
		"Completed 500 Internal Server Error in 3ms (ActiveRecord: 0.0ms | Allocations: 99)",
	},
	"json": {
		`{"event":"charge_failed","order":4711,"user":"u-1","amount":{"value":12.5,"currency":"EUR"}}`,
		`{"event":"charge_failed","order":1,"user":"u-22","amount":{"value":7,"currency":"USD"}}`,
	},
	"logfmt timeout": {
		`level=error msg="upstream timed out" route=orders took=1.2s trace_id=4bf92f3577b34da6a3ce929d0e0e4736`,
		`level=error msg="upstream timed out" route=cart took=900ms trace_id=00000000000000000000000000000001`,
	},
	"logfmt refused": {
		`level=error msg="upstream refused" route=orders took=1.2s trace_id=4bf92f3577b34da6a3ce929d0e0e4736`,
	},
	"mail": {
		"could not send mail to alice@example.com: 550 5.1.1 <alice@example.com>: Recipient address rejected",
		"could not send mail to bob.x@mail.example.org: 550 5.1.1 <bob.x@mail.example.org>: Recipient address rejected",
	},
	"tls": {
		"http: TLS handshake error from 10.0.0.1:51234: remote error: tls: bad certificate",
		"http: TLS handshake error from 10.0.0.2:80: remote error: tls: bad certificate",
	},
	"s3": {
		"PUT s3://backups/2026/11/21/db-0017.tar.gz failed: status 503, request id 4442587FB7D0A2F9",
		"PUT s3://backups/2026/01/02/db-0018.tar.gz failed: status 500, request id 1AB2C3D4E5F60718",
	},
	"list": {
		"lost partitions [1 2 3 17] of orders",
		"lost partitions [5] of orders",
	},
}

func TestKinds(t *testing.T) {
	group := map[string]string{}
	for name, lines := range kinds {
		for i, line := range lines {
			got := Mask(line)
			if i > 0 && group[got] != name {
				t.Errorf("%s:\n%s\nis not as\n%s", name, got, Mask(lines[0]))
			}
			if other, taken := group[got]; taken && other != name {
				t.Errorf("%s is as %s:\n%s", name, other, got)
			}
			group[got] = name
		}
	}
}
