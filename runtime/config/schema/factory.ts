import { alias, bool, int, refused, text } from "./key.ts";

/** `[factory]` */
export const FACTORY = {
  enable_template: bool(
    true,
    "Start VMs as copy-on-write clones of one that was booted before; the first start makes it, in the background.",
  ),
  template_path: text(
    "/run/vc/vm/template",
    "Folder for that VM's saved state; a tmpfs is mounted there, unless it is on one.",
    { path: "absolute" },
  ),
  vm_cache_number: int(
    0,
    "Clones that stand ready beforehand: started, used once and paused. Whoever takes one has another made.",
    { max: 256 },
  ),
  vm_cache_endpoint: refused(
    ["/var/run/kata-containers/cache.sock"],
    "each VM that stands ready has a socket of its own, in /run/kata-containers/spares",
  ),
} as const;

/** `[hypervisor.<vmm>.factory]` */
export const HYPERVISOR_FACTORY = {
  enable_template: alias(
    ["factory", "enable_template"],
    "bool",
    "The other spelling of the key in [factory].",
  ),
  template_path: alias(
    ["factory", "template_path"],
    "string",
    "The other spelling of the key in [factory].",
  ),
} as const;
