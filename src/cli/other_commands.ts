import type { Command } from "./command.ts";
import { cacheList } from "./commands/cache_list.ts";
import { cachePin } from "./commands/cache_pin.ts";
import { cachePrune } from "./commands/cache_prune.ts";
import { cacheRemove } from "./commands/cache_remove.ts";
import { cacheVerify } from "./commands/cache_verify.ts";
import { completeWords } from "./commands/complete_words.ts";
import { completions } from "./commands/completions.ts";
import { detectHardwareCommand } from "./commands/detect_hardware.ts";
import { doctor } from "./commands/doctor.ts";
import { downloadToCache } from "./commands/download_to_cache.ts";
import { exportModel } from "./commands/export.ts";
import { fetch } from "./commands/fetch.ts";
import { gpus } from "./commands/gpus.ts";
import { help } from "./commands/help.ts";
import { listProfiles } from "./commands/list_profiles.ts";
import { profilesValidate } from "./commands/profiles_validate.ts";
import { resolve } from "./commands/resolve.ts";
import { selfTest } from "./commands/self_test.ts";
import { size } from "./commands/size.ts";
import { watchAdaptersCommand } from "./commands/watch_adapters.ts";

/** The commands that are loaded together. */
export const OTHER_COMMANDS: readonly Command[] = [
  listProfiles,
  downloadToCache,
  fetch,
  size,
  resolve,
  exportModel,
  cacheList,
  cacheVerify,
  cachePin,
  cacheRemove,
  cachePrune,
  detectHardwareCommand,
  gpus,
  doctor,
  profilesValidate,
  completions,
  help,
  watchAdaptersCommand,
  completeWords,
  selfTest,
];
