/** Calls about one process: init or an additional one. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { processFromGrpc } from "../container/oci.ts";
import type { ContainerProcess } from "../container/process.ts";
import type { AgentImpl } from "./agent_service.ts";
import type { Guest } from "./guest.ts";

type Calls = Required<
  Pick<
    AgentImpl,
    | "execProcess"
    | "signalProcess"
    | "waitProcess"
    | "writeStdin"
    | "readStdout"
    | "readStderr"
    | "closeStdin"
    | "ttyWinResize"
    | "getDiagnosticData"
  >
>;

const LAST_SIGNAL = 64;

/** The feature, and the kind of diagnostic data: pids of processes that no call started, one a line. */
export const PROCESS_LIST = "kata-deno/process-list";

export function processCalls(guest: Guest): Calls {
  const { pod } = guest;
  const processOf = (request: { containerId: string; execId: string }): ContainerProcess =>
    pod.container(request.containerId).process(request.execId);
  return {
    async execProcess(request) {
      const container = pod.container(request.containerId);
      const process = request.process && processFromGrpc(request.process);
      if (!process?.args.length) {
        throw new RuntimeError(Code.InvalidArgument, "No process to execute");
      }
      const ports = {
        stdin: request.stdinPort,
        stdout: request.stdoutPort,
        stderr: request.stderrPort,
      };
      await container.exec(request.execId, process, ports);
      return {};
    },
    async signalProcess({ containerId, execId, signal }) {
      const container = pod.container(containerId);
      if (signal < 1 || signal > LAST_SIGNAL) {
        throw new RuntimeError(Code.InvalidArgument, `${signal} is not a signal`);
      }
      await container.signal(execId, signal);
      return {};
    },
    async waitProcess({ containerId, execId }, { signal }) {
      return { status: await pod.container(containerId).wait(execId, signal) };
    },
    async writeStdin(request) {
      return { len: await processOf(request).io.write(request.data) };
    },
    async readStdout(request) {
      return { data: await processOf(request).io.read("stdout", request.len) };
    },
    async readStderr(request) {
      return { data: await processOf(request).io.read("stderr", request.len) };
    },
    async closeStdin(request) {
      await processOf(request).io.closeStdin();
      return {};
    },
    ttyWinResize(request) {
      processOf(request).io.resize(request.row, request.column);
      return Promise.resolve({});
    },
    async getDiagnosticData({ logType, containerId }) {
      if (logType !== PROCESS_LIST) {
        throw new RuntimeError(Code.Unimplemented, `No diagnostic data ${JSON.stringify(logType)}`);
      }
      return { data: (await pod.container(containerId).descendants()).join("\n") };
    },
  };
}
