/** Pods through CRI. docs/conformance.md says which behaviour of critest each test covers. */
import { LIFE, POD } from "./container_cases.ts";
import { IMAGES } from "./image_cases.ts";
import { MOUNTS } from "./mount_cases.ts";
import { NETWORK, PORTS } from "./network_cases.ts";
import { SECURITY } from "./security_cases.ts";
import { STREAMS } from "./stream_cases.ts";
import { POD_CGROUP } from "../support/cri/node.ts";
import { cases, chosenNode, Stage } from "./suite.ts";

const stage = new Stage(await chosenNode(), {
  hostname: "cri-pod",
  labels: { stage: "shared" },
  annotations: { "io.kubernetes.note": "kept" },
  dnsConfig: { servers: ["10.10.10.10"], searches: ["cri.test"], options: ["ndots:8"] },
  portMappings: [
    { containerPort: PORTS.plain },
    { containerPort: PORTS.mapped, hostPort: PORTS.host },
  ],
  linux: {
    cgroupParent: `/${POD_CGROUP}`,
    securityContext: { privileged: true },
    sysctls: { "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "100" },
  },
});

cases(stage, "a container", LIFE);
cases(stage, "a pod", POD);
cases(stage, "a container", MOUNTS);
cases(stage, "a container", SECURITY);
cases(stage, "a pod", NETWORK);
cases(stage, "an image", IMAGES);
cases(stage, "the streaming server", STREAMS);
Deno.test.afterAll(() => stage.end());
