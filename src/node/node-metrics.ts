/** Metrics of a node beside those of its gateways. */
import { Metrics } from '../base/metrics.ts';
import type { HostFacts } from './host-facts.ts';

/** Of the node itself; the gateways bring their own. */
export function nodeMetrics(hostFacts: () => HostFacts, addressesHeld: () => number): Metrics {
  const metrics = new Metrics();
  const cpu = metrics.gauge('moln_node_cpu_used_ratio', 'Processor time in use, 0 to 1');
  const memory = metrics.gauge('moln_node_memory_used_bytes', 'Memory in use');
  const disk = metrics.gauge('moln_node_disk_free_bytes', 'Free bytes on the data folder disk');
  const agent = metrics.gauge('moln_agent_memory_bytes', 'Resident memory of the agent');
  const held = metrics.gauge('moln_addresses_held', 'Virtual addresses that this node holds');
  metrics.onCollect(() => {
    const facts = hostFacts();
    cpu.set(facts.cpu.usedRatio);
    memory.set(facts.memory.usedBytes);
    disk.set(facts.disk.freeBytes);
    held.set(addressesHeld());
    agent.set(process.memoryUsage.rss());
  });
  return metrics;
}
