import { startCeph } from "../ceph.ts";
import { startMoto } from "../moto.ts";
import { startNginxFront } from "../nginx_front.ts";
import { startOlah } from "../olah.ts";
import { startS3 } from "../s3_server.ts";
import { startSquid } from "../squid.ts";
import { startSeaweedFs } from "../seaweedfs.ts";
import { hubSubject } from "./hub_subject.ts";
import { s3Subject } from "./s3_subject.ts";
import type { ServerRow } from "./server_row.ts";

/** Every server on which behaviours are tried. */
export const SERVERS: readonly ServerRow[] = [
  { name: "hub_server.ts", start: () => hubSubject() },
  { name: "olah 0.5.4", start: () => hubSubject(startOlah), limits: { names: "without `#` and `?`" } },
  { name: "nginx, caching", start: () => hubSubject((hub) => startNginxFront(hub, "cache")) },
  { name: "nginx, rewriting", start: () => hubSubject((hub) => startNginxFront(hub, "rewrite")) },
  { name: "squid", start: () => hubSubject(startSquid) },
  { name: "s3_server.ts", start: async () => await s3Subject(await startS3({ buckets: {} })) },
  { name: "Ceph", start: async () => await s3Subject(await startCeph()) },
  { name: "SeaweedFS 4.48", start: async () => await s3Subject(await startSeaweedFs()) },
  { name: "moto 5.2.5", start: async () => await s3Subject(await startMoto()) },
];
