package headwater.sandbox

import java.nio.file.Paths
import java.util.concurrent.ConcurrentHashMap

import scala.io.StdIn
import scala.jdk.CollectionConverters._

import org.apache.spark.SparkContext
import org.apache.spark.scheduler.{SparkListener, SparkListenerEvent, SparkListenerJobEnd, SparkListenerJobStart}
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connect.service.{SparkConnectServer, SparkListenerConnectServiceStarted}

/**
 * The sandbox's Spark: a Spark Connect server that keeps its catalog in a folder and dies with its parent.
 *
 * Argument: the catalog's folder. Configuration: `spark.*` system properties. Prints `ready <port>` on stdout once
 * it serves. Standard input is a pipe from the parent. A line `cancel <user>` ends that Connect user's jobs, now and
 * later; the end of the input means that the parent is gone, however it died.
 */
object SparkHost {
  def main(arguments: Array[String]): Unit = {
    val spark = SparkSession.builder().getOrCreate()
    val cancellation = new Cancellation(spark.sparkContext)
    spark.sparkContext.addSparkListener(cancellation)
    daemon("parent-watch") {
      Iterator.continually(StdIn.readLine()).takeWhile(_ != null).foreach {
        case s"cancel $user" => cancellation.cancel(user)
        case _ =>
      }
      Runtime.getRuntime.halt(0)
    }
    val catalog = spark.sharedState.externalCatalog
    val journal = new CatalogJournal(Paths.get(arguments(0)), catalog)
    journal.restore()
    catalog.addListener(journal)
    spark.sparkContext.addSparkListener(new SparkListener {
      override def onOtherEvent(event: SparkListenerEvent): Unit = event match {
        case started: SparkListenerConnectServiceStarted => println(s"ready ${started.bindingPort}")
        case _ =>
      }
    })
    SparkConnectServer.main(Array.empty)
  }

  private def daemon(name: String)(body: => Unit): Unit = {
    val thread = new Thread(() => body, name)
    thread.setDaemon(true)
    thread.start()
  }
}

/**
 * Ends the jobs of a Connect user.
 *
 * Connect's own interrupt is lost when it meets an operation between two jobs (planning swallows it), and the
 * operation then goes on for ever. So a user cancelled once has every later job cancelled at its start.
 */
class Cancellation(context: SparkContext) extends SparkListener {
  private val cancelled = ConcurrentHashMap.newKeySet[String]()
  private val running = new ConcurrentHashMap[Int, String]()

  def cancel(user: String): Unit = {
    cancelled.add(mark(user))
    running.asScala.foreach { case (job, tags) => end(job, tags) }
  }

  override def onJobStart(start: SparkListenerJobStart): Unit =
    Option(start.properties).flatMap(all => Option(all.getProperty("spark.job.tags"))).foreach { tags =>
      running.put(start.jobId, tags)
      end(start.jobId, tags)
    }

  override def onJobEnd(ended: SparkListenerJobEnd): Unit = running.remove(ended.jobId)

  /** Connect tags every job with SparkConnect_OperationTag_User_<user>_Session_<id>_Operation_<id>. */
  private def mark(user: String): String = s"_User_${user}_Session_"

  private def end(job: Int, tags: String): Unit =
    if (cancelled.asScala.exists(tags.contains(_))) context.cancelJob(job, "cancelled")
}
