/** Settings of the remote driver, from `[hypervisor.remote]`. Key names in messages are those of config.toml. */
export interface RemoteOptions {
  /** `hypervisor_socket`: where the program that owns the VMs listens. */
  readonly socket: string;
  /** `hypervisor_timeout`: longest wait for one of its answers, in milliseconds. */
  readonly timeoutMs: number;
  /** `enable_debug`: show the guest kernel's messages on its console. */
  readonly debug: boolean;
}

export const DEFAULT_REMOTE_OPTIONS: RemoteOptions = {
  socket: "/run/peerpod/hypervisor.sock",
  timeoutMs: 600_000,
  debug: false,
};

/** The interface that is spoken: another major number is another interface. */
export const INTERFACE_VERSION = "1.0";
